//! The Identity service.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::domain::person::Person;
use crate::doors::grpc::status::{bad_field, permit, refuse};
use crate::service::hub::Hub;
use crate::wire::field::{FieldError, Problem, at_most};
use crate::wire::pb;
use crate::wire::pb::identity_server::Identity;

/// Serves Identity over a hub.
pub struct IdentityDoor(pub Arc<Hub>);

#[tonic::async_trait]
impl Identity for IdentityDoor {
    async fn resolve(&self, request: Request<pb::ResolveRequest>) -> Result<Response<pb::ResolveResponse>, Status> {
        permit(&request)?;
        let persons = persons(request.get_ref()).map_err(|error| bad_field(&error))?;
        let resolutions = self.0.resolve(&persons).await.map_err(refuse)?;
        Ok(Response::new(pb::ResolveResponse { resolutions }))
    }
}

fn persons(request: &pb::ResolveRequest) -> Result<Vec<Person>, FieldError> {
    at_most("persons", request.persons.len(), PERSONS_MAX)?;
    if request.persons.is_empty() {
        return Err(FieldError::new("persons", Problem::Missing));
    }
    let read = |(place, sent): (usize, &pb::Person)| {
        Person::try_from(sent).map_err(|error| error.under(&format!("persons[{place}]")))
    };
    request.persons.iter().enumerate().map(read).collect()
}

const PERSONS_MAX: usize = 100;
