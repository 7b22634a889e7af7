//! Floor 3: certificates, signing keys, revocation and the TLS settings made of them.
