//! Peers whose unsigned headers are believed.

use std::net::IpAddr;

use super::ProviderError;
use crate::credential::PeerAddress;

/// Networks, each with the number of its leading bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TrustedPeers(Vec<(IpAddr, u8)>);

impl TrustedPeers {
    /// Addresses and networks such as `127.0.0.1` and `10.0.0.0/8`.
    ///
    /// # Errors
    ///
    /// If there is none, or one is none.
    pub(super) fn parse(texts: &[String]) -> Result<Self, String> {
        if texts.is_empty() {
            return Err("expected the addresses of the proxy, such as 10.0.0.0/8".into());
        }
        let networks = texts.iter().map(|text| network(text));
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Lets through what one of them sent. Who sent it has to be known: what a header says of that is nothing.
    pub(super) fn check(&self, peer: Option<PeerAddress>) -> Result<(), ProviderError> {
        let Some(peer) = peer else {
            let hint = "the server puts no PeerAddress into its requests: nobody can be trusted";
            return Err(ProviderError::unavailable(hint));
        };
        let peer = peer.ip();
        match self.0.iter().any(|network| contains(*network, peer)) {
            true => Ok(()),
            false => Err(ProviderError::foreign(format!("{peer} is no trusted peer"))),
        }
    }
}

fn network(text: &str) -> Result<(IpAddr, u8), String> {
    let wrong = || "expected an address or a network, such as 10.0.0.0/8".to_owned();
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => most,
        Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => {
            bits.parse().map_err(|_| wrong())?
        }
        Some(_) => return Err(wrong()),
    };
    if bits == 0 || bits > most {
        return Err(format!(
            "expected a network of 1 to {most} bits: others are everybody"
        ));
    }
    if prefix(address, bits) != number(address) {
        return Err("expected the first address of the network: bits are set behind it".into());
    }
    Ok((address, bits))
}

fn contains((network, bits): (IpAddr, u8), address: IpAddr) -> bool {
    network.is_ipv4() == address.is_ipv4() && prefix(address, bits) == number(network)
}

/// The address as a number, whose leading bits are the network's.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn prefix(address: IpAddr, bits: u8) -> u128 {
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    number(address) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(texts: &[&str]) -> Result<TrustedPeers, String> {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        TrustedPeers::parse(&texts)
    }

    #[test]
    fn a_peer_is_in_a_network_or_it_is_nobody() {
        let trusted = peers(&["10.1.0.0/16", "127.0.0.1", "fd00::/8", "::1"]).unwrap();
        for (peer, good) in [
            ("10.1.0.0", true),
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("::ffff:10.1.2.3", true),
            ("::ffff:10.2.2.3", false),
            ("fdff::1", true),
            ("fe00::1", false),
            ("::1", true),
            ("::2", false),
            ("0.0.0.0", false),
        ] {
            let peer: IpAddr = peer.parse().unwrap();
            let found = trusted.check(Some(peer.into()));
            assert_eq!(found.is_ok(), good, "{peer}");
        }
        assert!(trusted.check(None).is_err());
    }

    #[test]
    fn everybody_is_no_network() {
        for bad in [
            "",
            "0.0.0.0/0",
            "::/0",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0.1/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0",
            "localhost",
            "*",
            "10.0.0.0/256",
            " 10.0.0.0/8",
        ] {
            assert!(peers(&[bad]).is_err(), "{bad:?}");
        }
        assert!(peers(&[]).is_err());
        assert!(peers(&["10.0.0.0/8", "x"]).is_err());
    }
}
