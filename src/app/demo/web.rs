//! The demo's way through the HTTPS doors, as an order screen, a browser or a phone would go.

use std::net::SocketAddr;

use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use reqwest::{Certificate, Client, Identity, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use crate::app::demo::links::{LinkError, World};
use crate::app::demo::step::{StepError, same};
use crate::app::sample::authority::ORDER_ENTRY;
use crate::sys::files;
use crate::wire::pb;

/// A client of one HTTPS door.
pub struct Web {
    client: Client,
    base: String,
    language: &'static str,
}

/// An answer of a door.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: String,
}

impl World {
    /// Gives a client of a hospital's door, as its order screen.
    ///
    /// # Errors
    /// [`LinkError`] when the certificate cannot be used.
    pub fn node_web(&self, hospital: usize) -> Result<Web, LinkError> {
        self.web(self.settled.nodes[hospital].https, Some(ORDER_ENTRY[hospital]))
    }

    /// Gives a client of the hub's door, which shows the certificate of a folder, or none as phones do.
    ///
    /// # Errors
    /// [`LinkError`] when the certificate cannot be used.
    pub fn hub_web(&self, client: Option<&str>) -> Result<Web, LinkError> {
        self.web(self.settled.hub_https, client)
    }

    /// Gives a client of the issuer of patients' logins.
    ///
    /// # Errors
    /// [`LinkError`] when the authority cannot be used.
    pub fn issuer_web(&self) -> Result<Web, LinkError> {
        self.web(self.settled.issuer, None)
    }

    fn web(&self, address: SocketAddr, client: Option<&str>) -> Result<Web, LinkError> {
        let authority = files::read(&self.layout.authority().join("ca.pem"))?;
        let mut builder = Client::builder().https_only(true);
        builder = builder.tls_certs_only([Certificate::from_pem(&authority)?]);
        if let Some(client) = client {
            let folder = self.layout.client(client);
            let both = [files::read(&folder.join("tls.pem"))?, files::read(&folder.join("tls.key"))?].concat();
            builder = builder.identity(Identity::from_pem(&both)?);
        }
        let language = if self.language == pb::Language::En { "en" } else { "zh-CN" };
        Ok(Web { client: builder.build()?, base: format!("https://localhost:{}", address.port()), language })
    }
}

impl Web {
    /// Gives the address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Gets a path, or a whole address of this door.
    ///
    /// # Errors
    /// [`StepError::Web`] when there is no answer.
    pub async fn find(&self, path: &str, token: Option<&str>) -> Result<Answer, StepError> {
        self.answer(self.request(Method::GET, path, token)).await
    }

    /// Sends JSON to a path.
    ///
    /// # Errors
    /// [`StepError::Web`] when there is no answer.
    pub async fn send(&self, path: &str, body: &Value, token: Option<&str>) -> Result<Answer, StepError> {
        self.answer(self.request(Method::POST, path, token).json(body)).await
    }

    /// Sends JSON to a path that does a thing once for each key.
    ///
    /// # Errors
    /// [`StepError::Web`] when there is no answer.
    pub async fn send_once(
        &self,
        path: &str,
        body: &Value,
        token: Option<&str>,
        key: &str,
    ) -> Result<Answer, StepError> {
        self.answer(self.request(Method::POST, path, token).header("idempotency-key", key).json(body)).await
    }

    /// Sends a form to a path.
    ///
    /// # Errors
    /// [`StepError::Web`] when there is no answer.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, StepError> {
        let form = Url::parse_with_params("https://form/", fields);
        let form = form.unwrap_or_else(|error| unreachable!("the address is one: {error}"));
        let request = self.request(Method::POST, path, None).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.answer(request.body(form.query().unwrap_or_default().to_owned())).await
    }

    /// Removes what is at a path.
    ///
    /// # Errors
    /// [`StepError::Web`] when there is no answer.
    pub async fn remove(&self, path: &str, token: Option<&str>) -> Result<Answer, StepError> {
        self.answer(self.request(Method::DELETE, path, token)).await
    }

    fn request(&self, method: Method, path: &str, token: Option<&str>) -> RequestBuilder {
        let url = if path.starts_with("https://") { path.to_owned() } else { self.url(path) };
        let request = self.client.request(method, url).header(ACCEPT_LANGUAGE, self.language);
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Answer, StepError> {
        let response: Response = request.send().await?;
        Ok(Answer { status: response.status(), body: response.text().await? })
    }
}

impl Answer {
    /// Insists on a status.
    ///
    /// # Errors
    /// [`StepError::Unexpected`] with the body when it is another.
    pub fn is(self, what: &str, status: u16) -> Result<Self, StepError> {
        if self.status.as_u16() != status {
            return Err(StepError::unexpected(what, status, format!("{} {}", self.status, self.body)));
        }
        Ok(self)
    }

    /// Reads the body as JSON, after a status of success.
    ///
    /// # Errors
    /// [`StepError::Unexpected`] when it is none.
    pub fn json(self, what: &str) -> Result<Value, StepError> {
        same(what, true, self.status.is_success())
            .map_err(|_| StepError::unexpected(what, "success", format!("{} {}", self.status, self.body)))?;
        serde_json::from_str(&self.body).map_err(|error| StepError::unexpected(what, "JSON", error))
    }
}
