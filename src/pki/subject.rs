//! Subjects of genuine certificates: domain-validated (a common name at most) and Extended Validation.

use rcgen::string::PrintableString;
use rcgen::{DistinguishedName, DnType, DnValue};

use super::name::Name;

/// A domain-validated subject: the first DNS name as CN, or nothing if it is longer than CN may be.
/// An empty subject makes `rcgen` mark subjectAltName critical, as RFC 5280 section 4.1.2.6 demands.
pub(super) fn domain_validated(names: &[Name]) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if let Some(name) = common_name(names) {
        subject.push(DnType::CommonName, name);
    }
    subject
}

/// An Extended Validation subject: attributes, their order and their string types as in the genuine certificate of
/// rcku.kz of 2019 (Censored Planet's `Certificates.pdf`); the values are the lab's.
pub(super) fn extended_validation(names: &[Name]) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CustomDnType(BUSINESS_CATEGORY.to_vec()), "Private Organization");
    subject.push(DnType::CustomDnType(JURISDICTION_COUNTRY.to_vec()), printable("KZ"));
    subject.push(DnType::CustomDnType(SERIAL_NUMBER.to_vec()), printable("000000000000"));
    subject.push(DnType::CountryName, printable("KZ"));
    subject.push(DnType::LocalityName, printable("Nur-Sultan"));
    subject.push(DnType::OrganizationName, "ТОО Симуляция (mitmlab simulation)");
    subject.push(DnType::OrganizationalUnitName, printable("IT DEPARTMENT"));
    if let Some(name) = common_name(names) {
        subject.push(DnType::CommonName, printable(&name));
    }
    subject
}

/// Name of a certification authority of the lab.
pub(super) fn authority(common_name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    subject.push(DnType::OrganizationName, "mitmlab (simulation)");
    subject
}

fn common_name(names: &[Name]) -> Option<String> {
    let name = names.iter().find(|n| matches!(n, Name::Dns(_))).or_else(|| names.first())?.to_string();
    (name.len() <= UB_COMMON_NAME).then_some(name)
}

/// PrintableString where the alphabet allows it (`*` and `_` are not in it), else UTF8String.
fn printable(text: &str) -> DnValue {
    PrintableString::try_from(text).map_or_else(|_| DnValue::Utf8String(text.to_owned()), DnValue::PrintableString)
}

/// ub-common-name, RFC 5280 appendix A.1. `rcgen` does not check it.
const UB_COMMON_NAME: usize = 64;
/// businessCategory, X.520; CA/Browser Forum EV Guidelines 9.2.3.
const BUSINESS_CATEGORY: [u64; 4] = [2, 5, 4, 15];
/// jurisdictionCountryName, EV Guidelines 9.2.4.
const JURISDICTION_COUNTRY: [u64; 11] = [1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 3];
/// serialNumber (registration number), X.520; EV Guidelines 9.2.5.
const SERIAL_NUMBER: [u64; 4] = [2, 5, 4, 5];
