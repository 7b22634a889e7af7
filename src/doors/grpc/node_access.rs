//! Who may call what at a hospital's node: the hospital's own systems and people, and nobody else's.

use tonic::{Request, Status};

use crate::domain::organisation::{OrganisationCode, Role};
use crate::doors::auth::Permit;
use crate::doors::grpc::status::permit;

/// The node's rows: path of the method, roles that may call it. Whose hospital it is, [`Own`] asks.
pub const NODE: &[(&str, &[Role])] = &[
    ("/concord.v1.Orders/Check", HOSPITALS),
    ("/concord.v1.Orders/Decide", HOSPITALS),
    ("/concord.v1.Orders/Revoke", HOSPITALS),
    ("/concord.v1.Orders/RecentResults", HOSPITALS),
    ("/concord.v1.Orders/Acknowledge", HOSPITALS),
    ("/concord.v1.Orders/ReportMisses", HOSPITALS),
    ("/concord.v1.Recalls/Watch", HOSPITALS),
    ("/concord.v1.Recalls/Receive", HOSPITALS),
    ("/concord.v1.Recalls/List", HOSPITALS),
    ("/concord.v1.Recalls/Acknowledge", HOSPITALS),
    ("/concord.v1.Retrieval/Fetch", HOSPITALS),
    ("/concord.v1.Retrieval/Open", HOSPITALS),
    ("/concord.v1.Retrieval/Tunnel", HOSPITALS),
    ("/concord.v1.Node/Status", HOSPITALS),
    ("/concord.v1.Node/Unmapped", HOSPITALS),
    ("/concord.v1.Node/Held", HOSPITALS),
    ("/concord.v1.Node/Import", HOSPITALS),
    ("/concord.v1.Node/Reprocess", HOSPITALS),
    ("/concord.v1.Node/WithdrawStudy", HOSPITALS),
    ("/grpc.health.v1.Health/Check", HOSPITALS),
    ("/grpc.health.v1.Health/Watch", HOSPITALS),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", HOSPITALS),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", HOSPITALS),
];

/// Lets callers of one organisation in.
#[derive(Debug, Clone, Copy)]
pub struct Own(pub OrganisationCode);

impl Own {
    /// Takes the permit of a caller of the own organisation.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for everybody else's, whole codes compared.
    pub fn permit<T>(self, request: &Request<T>) -> Result<Permit, Status> {
        let permit = permit(request)?;
        if permit.caller.organisation != self.0 {
            return Err(Status::permission_denied("this node serves its own hospital only"));
        }
        Ok(permit)
    }
}

const HOSPITALS: &[Role] = &[Role::Hospital];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;

    use super::*;
    use crate::wire::pb;

    #[test]
    fn every_method_of_a_node_has_a_row_and_every_row_a_method() {
        let set = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap();
        let services = set.file.iter().flat_map(|file| &file.service);
        let methods: BTreeSet<String> = services
            .filter(|service| ["Node", "Orders", "Recalls", "Retrieval"].contains(&service.name()))
            .flat_map(|service| {
                service.method.iter().map(|method| format!("/concord.v1.{}/{}", service.name(), method.name()))
            })
            .collect();
        let rows = NODE.iter().map(|(path, _)| (*path).to_owned()).filter(|path| path.starts_with("/concord."));
        assert_eq!(rows.collect::<BTreeSet<_>>(), methods);
    }
}
