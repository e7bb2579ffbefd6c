//! A request and its answer, as far as an end could read them. Kept only where a recording asks for it; secrets masked at the source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One exchange of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    /// `http/1.1`, `h2` ...
    pub protocol: String,
    /// Method.
    pub method: String,
    /// The whole URL, values of the query masked.
    pub url: String,
    /// Header fields of the request, in order.
    pub request_headers: Vec<(String, String)>,
    /// Body of the request.
    pub request_body: Content,
    /// Status of the answer.
    pub status: u16,
    /// Header fields of the answer, in order.
    pub response_headers: Vec<(String, String)>,
    /// Body of the answer.
    pub response_body: Content,
    /// Microseconds from the request's head to the answer's.
    pub took_us: u64,
    /// What was left out: names of header fields, `query`, `request body`, `response body`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<String>,
}

/// A body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Content {
    /// Bytes, as far as they were read.
    pub bytes: u64,
    /// Its text, where it is kept; what is no UTF-8 is base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The text is base64.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub base64: bool,
    /// Only the beginning is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl Content {
    /// A body of so many bytes that begins with these.
    pub fn beginning(bytes: u64, kept: &[u8]) -> Self {
        use base64::Engine as _;
        let (text, base64) = match std::str::from_utf8(kept) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => (base64::engine::general_purpose::STANDARD.encode(kept), true),
        };
        Self { bytes, cut: (kept.len() as u64) < bytes, text: (bytes > 0).then_some(text), base64 }
    }
}

/// Bytes of a body that are kept at most.
pub const BODY_AT_MOST: usize = 64 << 10;
