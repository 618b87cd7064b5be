//! Prints what is published below `sensors/`: `cargo run --bin tokio_subscriber`, with a server on
//! port 1883 of this machine.

use mqtt_sansio::packet::{Connect, KeepAlive, Subscriptions};
use mqtt_sansio::{QoS, Version, connection::client::Connection};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut connect = Connect::new("reader-1".parse()?);
    connect.keep_alive = KeepAlive::from_secs(30);
    let (client, driver) = net::tokio_client::new(Connection::new(), Version::V5, connect);
    tokio::spawn(driver.run(
        || TcpStream::connect("127.0.0.1:1883"),
        |event| eprintln!("{event:?}"),
    ));
    client
        .subscribe(Subscriptions::new([(
            "sensors/#".parse()?,
            QoS::AtLeastOnce,
        )])?)
        .await?;
    while let Some(delivery) = client.recv().await {
        println!("{}: {:?}", delivery.message.topic, delivery.message.payload);
        delivery.acknowledge();
    }
    Ok(())
}
