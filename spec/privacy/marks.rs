//! Words that stand nowhere else, and the forms in which a log might show them.

use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};

pub const DOMAIN: &str = "zqdomain";
pub const NAME: &str = "zqgroupname";
pub const HOST: &str = "zqhostid";
pub const POLLING_HOST: &str = "zqpollinghost";
pub const NODE: &str = "zqnodeid";
pub const POLLING_NODE: &str = "zqpollingnode";
pub const NICKNAME: &str = "zqnickname";
pub const KEY: &str = "zqvariablekey";
pub const VALUE: &str = "zqvariablevalue";
pub const EVENT: &str = "zqeventname";
pub const PAYLOAD: &str = "zqeventpayload";
/// What the store keeps of a lesson until its group has ended.
pub const KEPT: [&str; 11] = [
    DOMAIN,
    NAME,
    HOST,
    POLLING_HOST,
    NODE,
    POLLING_NODE,
    NICKNAME,
    KEY,
    VALUE,
    EVENT,
    PAYLOAD,
];

pub const HOST_TOKEN: &str = "zqhosttokenofthelesson";
pub const NODE_TOKEN: &str = "zqnodetokenofthelesson";
pub const WRONG_TOKEN: &str = "zqwrongtokenofastranger";
pub const API_KEY: &str = "da2-zqrightapikey";
pub const WRONG_KEY: &str = "da2-zqwrongapikey";
pub const BEARER: &str = "zqbearertoken";
/// Addresses of the class and of a stranger, as a proxy forwards them.
pub const CLASS: &str = "203.0.113.77";
pub const STRANGER: &str = "2001:db8:77:77::77";
/// What is kept nowhere, not even while the group lives.
pub const NEVER_KEPT: [&str; 8] = [
    HOST_TOKEN,
    NODE_TOKEN,
    WRONG_TOKEN,
    API_KEY,
    WRONG_KEY,
    BEARER,
    CLASS,
    STRANGER,
];

pub const UNKNOWN: &str = "zqunknowngroup";
pub const DOCUMENT: &str = "zqdocument";
pub const VARIABLE: &str = "zqvariabletype";
pub const BODY: &str = "zqbody";
pub const QUERY: &str = "zqquerystring";
pub const AGENT: &str = "zquseragent";
/// What only refused requests contain.
const OTHERS: [&str; 6] = [UNKNOWN, DOCUMENT, VARIABLE, BODY, QUERY, AGENT];

pub fn all() -> Vec<&'static str> {
    [&KEPT[..], &NEVER_KEPT, &OTHERS].concat()
}

/// A mark as text, in hexadecimal, as a list of bytes, and within base64.
pub fn forms(mark: &str) -> Vec<String> {
    let bytes = mark.as_bytes();
    let list: Vec<_> = bytes.iter().map(ToString::to_string).collect();
    let mut forms = vec![mark.into(), HEXLOWER.encode(bytes), list.join(", ")];
    for before in 0..3 {
        let encoded = BASE64.encode(&[&vec![0; before], bytes].concat());
        let (start, end) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
        forms.push(encoded[start..end].to_owned());
    }
    forms
}

/// The marks that stand in a text.
pub fn found(text: &str) -> Vec<&'static str> {
    let stands = |mark: &&str| forms(mark).iter().any(|form| text.contains(form));
    all().into_iter().filter(stands).collect()
}

/// The marks that stand in the files of a folder.
pub fn found_in(folder: &Path) -> Vec<&'static str> {
    let files = std::fs::read_dir(folder).expect("a folder");
    // A journal that is renamed meanwhile is read under its new name.
    let files = files.filter_map(|file| std::fs::read(file.ok()?.path()).ok());
    let texts: Vec<_> = files
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    found(&texts.join("\n"))
}
