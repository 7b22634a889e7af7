//! Who may call what at the hub. A method without a row may be called by nobody; a test compares the rows with the
//! descriptors, so that a new method needs a decision.

use crate::domain::organisation::Role;

/// The hub's rows: path of the method, roles that may call it.
pub const HUB: &[(&str, &[Role])] = &[
    ("/concord.v1.Identity/Resolve", HOSPITALS),
    ("/concord.v1.Publication/Publish", HOSPITALS),
    ("/concord.v1.Publication/Position", HOSPITALS),
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
    ("/concord.v1.Consents/Grant", GATEWAYS),
    ("/concord.v1.Consents/Revoke", GATEWAYS),
    ("/concord.v1.Consents/List", GATEWAYS),
    ("/concord.v1.Consents/AccessHistory", GATEWAYS),
    ("/concord.v1.Consents/SetSharing", GATEWAYS),
    ("/concord.v1.Consents/Relate", GATEWAYS),
    ("/concord.v1.Consents/Unrelate", GATEWAYS),
    ("/concord.v1.Qualifications/Submit", CENTRES),
    ("/concord.v1.Qualifications/Suspend", CENTRES),
    ("/concord.v1.Qualifications/Restore", CENTRES),
    ("/concord.v1.Qualifications/List", &Role::ALL),
    ("/concord.v1.Qualifications/Explain", &Role::ALL),
    ("/concord.v1.Catalogue/Version", &Role::ALL),
    ("/concord.v1.Catalogue/Versions", &Role::ALL),
    ("/concord.v1.Transparency/Checkpoint", &Role::ALL),
    ("/concord.v1.Transparency/InclusionProof", &Role::ALL),
    ("/concord.v1.Transparency/ConsistencyProof", &Role::ALL),
    ("/concord.v1.Transparency/Cosign", HOSPITALS),
    ("/concord.v1.Transparency/Tile", &Role::ALL),
    ("/concord.v1.Oversight/Statistics", OVERSEERS),
    ("/concord.v1.Oversight/FollowUps", FOLLOWERS),
    ("/concord.v1.Oversight/Reasons", &Role::ALL),
    ("/concord.v1.Oversight/Recalls", OVERSEERS),
    ("/concord.v1.Oversight/Cases", CASE_HANDLERS),
    ("/concord.v1.Oversight/CloseCase", CASE_HANDLERS),
    ("/grpc.health.v1.Health/Check", &Role::ALL),
    ("/grpc.health.v1.Health/Watch", &Role::ALL),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &Role::ALL),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &Role::ALL),
];

const HOSPITALS: &[Role] = &[Role::Hospital];
/// A hospital sees cases of its own results and of its own doctors, and closes those of its own results.
const CASE_HANDLERS: &[Role] = &[Role::Regulator, Role::Hospital];
const GATEWAYS: &[Role] = &[Role::PatientGateway];
const CENTRES: &[Role] = &[Role::QcCentre];
/// A hospital sees its own figures only; the service narrows them.
const OVERSEERS: &[Role] = &[Role::Regulator, Role::Operator, Role::QcCentre, Role::Hospital];
/// Who may ask a hospital why; it sees its own prompts only.
const FOLLOWERS: &[Role] = &[Role::Regulator, Role::Hospital];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;

    use super::*;
    use crate::wire::pb;

    /// The one service of the proto folder that hubs do not offer.
    const NODE_ONLY: &str = "Node";

    #[test]
    fn only_the_patients_entrance_touches_consents() {
        let consents = HUB.iter().filter(|(path, _)| path.starts_with("/concord.v1.Consents/"));
        assert!(consents.clone().count() == 7 && consents.clone().all(|(_, roles)| *roles == GATEWAYS));
    }

    #[test]
    fn every_method_has_a_row_and_every_row_a_method() {
        let set = prost_types::FileDescriptorSet::decode(pb::DESCRIPTORS).unwrap();
        let services = set.file.iter().flat_map(|file| &file.service);
        let methods: BTreeSet<String> = services
            .filter(|service| service.name() != NODE_ONLY)
            .flat_map(|service| {
                service.method.iter().map(move |method| format!("/concord.v1.{}/{}", service.name(), method.name()))
            })
            .collect();
        let rows: BTreeSet<String> =
            HUB.iter().map(|(path, _)| (*path).to_owned()).filter(|path| path.starts_with("/concord")).collect();
        assert_eq!(rows, methods);
    }
}
