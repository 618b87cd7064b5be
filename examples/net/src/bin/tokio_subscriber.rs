//! Prints what is published below `sensors/`: `cargo run --bin tokio_subscriber`, with a server on
//! port 1883 of this machine.

use mqtt_sansio::packet::{Connect, Subscriptions};
use mqtt_sansio::{QoS, Version, connection::client::Connection};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let connect = Connect::new("reader-1".parse()?);
    let (client, driver) = net::tokio_client::new(Connection::new(), Version::V5, connect);
    let open = || tokio::net::TcpStream::connect("127.0.0.1:1883");
    tokio::spawn(driver.run(open, |event| eprintln!("{event:?}")));
    let sensors = Subscriptions::new([("sensors/#".parse()?, QoS::AtLeastOnce)])?;
    client.subscribe(sensors).await?;
    while let Some(delivery) = client.recv().await {
        println!("{}: {:?}", delivery.message.topic, delivery.message.payload);
        delivery.acknowledge();
    }
    Ok(())
}
