/// An end of a connection. Some rules bind only one side.
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize, serde::Serialize),
    serde(rename_all = "snake_case")
)]
pub enum Side {
    /// The side that sent CONNECT.
    Client,
    /// The side that answers with CONNACK.
    Server,
}
