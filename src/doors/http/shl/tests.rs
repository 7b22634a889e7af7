//! What a viewer of links meets, status by status.

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::service::hub::testing::{Shared, World, shared};
use crate::wire::pb;
use crate::wire::shl::{Payload, open};

async fn ask(world: &World, request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, Vec<u8>) {
    let response = crate::doors::http::framed(router(Arc::clone(&world.hub)), None).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    (parts.status, parts.headers, body.to_vec())
}

async fn post(world: &World, url: &str, body: Value) -> (StatusCode, Value) {
    let path = url.strip_prefix("https://hub.example.cn").unwrap();
    let request = Request::post(path).header("origin", "https://viewer.example").body(Body::from(body.to_string()));
    let (status, headers, body) = ask(world, request.unwrap()).await;
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert_eq!(headers["cache-control"], "no-store");
    (status, serde_json::from_slice(&body).unwrap())
}

async fn get(world: &World, url: &str) -> (StatusCode, axum::http::HeaderMap, Vec<u8>) {
    let path = url.strip_prefix("https://hub.example.cn").unwrap();
    ask(world, Request::get(path).body(Body::empty()).unwrap()).await
}

fn link(shared: &Shared) -> Payload {
    Payload::decode(&shared.consent.shlink).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_manifest_embeds_the_file_and_the_passcode_is_asked_for() {
    let world = World::new().await;
    let shared = shared(&world, pb::LinkTerms::default(), "letmein", 0).await;
    let link = link(&shared);
    assert_eq!(link.flags.to_string(), "P");
    let (status, told) = post(&world, &link.url, json!({ "recipient": "Dr Who" })).await;
    assert_eq!((status, told), (StatusCode::UNAUTHORIZED, json!({ "remainingAttempts": 10 })));
    let (status, told) = post(&world, &link.url, json!({ "recipient": "Dr Who", "passcode": "letmeout" })).await;
    assert_eq!((status, told), (StatusCode::UNAUTHORIZED, json!({ "remainingAttempts": 9 })));
    let (status, told) = post(&world, &link.url, json!({ "recipient": "Dr Who", "passcode": "letmein" })).await;
    assert_eq!((status, told["files"].as_array().unwrap().len()), (StatusCode::OK, 1));
    let file = &told["files"][0];
    assert_eq!((&file["contentType"], file.get("location")), (&json!("application/fhir+json"), None));
    let (kind, content) = open(&link.key, file["embedded"].as_str().unwrap(), 1 << 20).unwrap();
    let bundle: Value = serde_json::from_slice(&content).unwrap();
    assert_eq!((kind.as_str(), &bundle["resourceType"]), ("application/fhir+json", &json!("Bundle")));
    assert!(!String::from_utf8(content).unwrap().contains(&"02".repeat(16)), "the pseudonym stays in the region");
}

#[tokio::test]
async fn a_file_that_is_too_long_is_fetched_once_from_its_own_address() {
    let world = World::new().await;
    let shared = shared(&world, pb::LinkTerms::default(), "", 0).await;
    let link = link(&shared);
    let (status, told) = post(&world, &link.url, json!({ "recipient": "r", "embeddedLengthMax": 10 })).await;
    assert_eq!(status, StatusCode::OK);
    let location = told["files"][0]["location"].as_str().unwrap();
    let (status, headers, body) = get(&world, location).await;
    assert_eq!((status, &headers["content-type"]), (StatusCode::OK, &HeaderValue::from_static("application/jose")));
    assert!(open(&link.key, std::str::from_utf8(&body).unwrap(), 1 << 20).is_ok());
    assert_eq!(get(&world, location).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_direct_link_leads_to_its_file_and_has_no_manifest() {
    let world = World::new().await;
    let terms = pb::LinkTerms { direct: true, ..Default::default() };
    let shared = shared(&world, terms, "", 0).await;
    let link = link(&shared);
    assert_eq!(link.flags.to_string(), "U");
    let (status, _, body) = get(&world, &format!("{}?recipient=Dr%20Who", link.url)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(open(&link.key, std::str::from_utf8(&body).unwrap(), 1 << 20).is_ok());
    assert_eq!(get(&world, &link.url).await.0, StatusCode::BAD_REQUEST, "whoever reads says who");
    assert_eq!(post(&world, &link.url, json!({ "recipient": "r" })).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_no_link_is_not_found_and_what_is_no_request_is_refused() {
    let world = World::new().await;
    let link = link(&shared(&world, pb::LinkTerms::default(), "", 0).await);
    let forged = "https://hub.example.cn/shl/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (url, body, expected) in [
        (forged, json!({ "recipient": "r" }), StatusCode::NOT_FOUND),
        ("https://hub.example.cn/shl/x", json!({ "recipient": "r" }), StatusCode::NOT_FOUND),
        (&link.url, json!({}), StatusCode::BAD_REQUEST),
        (&link.url, json!({ "recipient": "" }), StatusCode::BAD_REQUEST),
        (&link.url, json!({ "recipient": "r".repeat(129) }), StatusCode::BAD_REQUEST),
        (&link.url, json!({ "recipient": "r", "embeddedLengthMax": -1 }), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(post(&world, url, body.clone()).await.0, expected, "{body}");
    }
}

#[tokio::test]
async fn one_link_is_not_asked_without_end() {
    let world = World::new().await;
    let link = link(&shared(&world, pb::LinkTerms::default(), "letmein", 0).await);
    let mut last = StatusCode::OK;
    for _ in 0..61 {
        last = post(&world, &link.url, json!({ "recipient": "r" })).await.0;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    world.clock.advance(60_000);
    assert_eq!(post(&world, &link.url, json!({ "recipient": "r" })).await.0, StatusCode::UNAUTHORIZED);
}
