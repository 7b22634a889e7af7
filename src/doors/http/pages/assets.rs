//! Styles and scripts, compiled into the binary. A page names them with a digest, so that a browser may keep them.

use std::sync::LazyLock;

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::domain::fault::Fault;
use crate::doors::http::answer::Problem;
use crate::doors::http::paths::Paths;

/// One file of the pages.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

/// Serves the files under `/static`.
pub fn router() -> Paths {
    Paths::new().get("/static/{name}", serve)
}

/// Gives the path of a file, with the digest of its content.
///
/// # Panics
/// When there is no such file: a page names it wrong.
pub fn path(name: &str) -> String {
    let known = DIGESTS.iter().find(|(asset, _)| *asset == name);
    let Some((_, digest)) = known else { unreachable!("no asset is called {name}") };
    format!("/static/{name}?v={digest}")
}

async fn serve(Path(name): Path<String>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let place = ASSETS.iter().position(|asset| asset.name == name);
    let Some((asset, (_, digest))) = place.and_then(|place| Some((ASSETS.get(place)?, DIGESTS.get(place)?))) else {
        return Problem::new(Fault::Missing, "there is no such file").into_response();
    };
    let tag = format!("\"{digest}\"");
    let same = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let named = query.is_some_and(|query| query.strip_prefix("v=") == Some(digest));
    let cache = if named { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = match same {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => asset.bytes.into_response(),
    };
    let sent = response.headers_mut();
    sent.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    sent.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    HeaderValue::try_from(tag).ok().and_then(|tag| sent.insert(header::ETAG, tag));
    response
}

/// What browsers are told each file is; whatever pages use stands here.
const ASSETS: [Asset; 7] = [
    Asset { name: "pages.css", media_type: STYLE, bytes: include_bytes!("static/pages.css") },
    Asset { name: "me.css", media_type: STYLE, bytes: include_bytes!("static/me.css") },
    Asset { name: "me.js", media_type: SCRIPT, bytes: include_bytes!("static/me.js") },
    Asset { name: "prompt.js", media_type: SCRIPT, bytes: include_bytes!("static/prompt.js") },
    Asset { name: "icon.svg", media_type: "image/svg+xml", bytes: include_bytes!("static/icon.svg") },
    Asset { name: "viewer.css", media_type: STYLE, bytes: include_bytes!("static/viewer.css") },
    Asset { name: "viewer.js", media_type: SCRIPT, bytes: include_bytes!("static/viewer.js") },
];
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name and digest of each file, in order.
static DIGESTS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let digest = |asset: &Asset| hex::encode(Sha256::digest(asset.bytes)).chars().take(DIGEST_DIGITS).collect();
    ASSETS.iter().map(|asset| (asset.name, digest(asset))).collect()
});

const DIGEST_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str, known: Option<&HeaderValue>) -> Response {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        known.and_then(|tag| request.headers_mut().insert(header::IF_NONE_MATCH, tag.clone()));
        router().into_router().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_file_is_kept_by_its_digest_and_asked_for_again_without() {
        let first = ask(&path("pages.css"), None).await;
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        assert!(first.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        let again = ask("/static/pages.css", first.headers().get(header::ETAG)).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(ask("/static/..%2fpages.css", None).await.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn files_lean_on_nothing_outside_and_are_old_enough() {
        for asset in &ASSETS {
            let text = std::str::from_utf8(asset.bytes).unwrap().replace("http://www.w3.org/", "");
            for outside in ["http:", "https:", "//cdn", "@import", ":has(", "color-mix", "innerHTML", "eval("] {
                assert!(!text.contains(outside), "{} has {outside}", asset.name);
            }
        }
    }
}
