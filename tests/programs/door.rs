//! A port that is taken all the while, and leads to a program or to nobody.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Door {
    pub(crate) at: SocketAddr,
    leads_to: Arc<Mutex<Option<String>>>,
}

impl Door {
    /// Who comes is sent away.
    pub(crate) async fn shut() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let leads_to = Arc::new(Mutex::new(None::<String>));
        let here = leads_to.clone();
        tokio::spawn(async move {
            while let Ok((mut guest, _)) = listener.accept().await {
                let to = here.lock().unwrap().clone();
                let Some(to) = to else { continue };
                tokio::spawn(async move {
                    let mut host = TcpStream::connect(to).await?;
                    tokio::io::copy_bidirectional(&mut guest, &mut host).await
                });
            }
        });
        Self { at, leads_to }
    }

    pub(crate) fn lead_to(&self, url: &str) {
        let address = url.strip_prefix("http://").unwrap().to_owned();
        *self.leads_to.lock().unwrap() = Some(address);
    }
}
