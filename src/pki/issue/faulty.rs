//! Certificates that a server should never show: each has one thing wrong that a client must find by itself. One function each.

use rcgen::{ExtendedKeyUsagePurpose, GeneralSubtree, Issuer, NameConstraints};

use super::super::authority::{Authority, Called, Fresh};
use super::super::error::{BuildError, PkiError, building};
use super::super::extension::Validation;
use super::super::issued::Issued;
use super::super::key::Key;
use super::super::name::Name;
use super::super::subject;
use super::{ECDSA, GOOD, Leaf, PublicPki, ROOT, WRONG_HOST, leaf_params};
use crate::x509::key::Digest;

impl PublicPki {
    /// From a root that has the public one's name and another key. A client that compares names instead of verifying signatures (RFC
    /// 5280 section 6.1.3 (a) (1)) takes it for the public one.
    pub(super) fn namesake(&self, what: &str, names: &[Name]) -> Result<Issued, PkiError> {
        let made = || -> Result<Issued, BuildError> {
            let root = Authority::root(ROOT, self.now())?;
            let by = root.intermediate(ECDSA, Key::p256()?, self.now())?;
            self.plain(&by, names, |_| {})
        };
        made().map_err(building(what))
    }

    /// A copy of a good certificate, without its key: the handshake is signed by another one, which only the signature over the
    /// handshake shows (RFC 8446 section 4.4.3; in TLS 1.2 ServerKeyExchange, RFC 8422 section 5.4).
    pub(super) fn replaced_key(&self, what: &str, leaf: Leaf<'_>) -> Result<Issued, PkiError> {
        let whole = self.leaf(what, leaf)?;
        let other = Key::p256().map_err(|e| building(what)(BuildError::from(e)))?;
        let response = whole.key.ocsp.clone();
        let copied = Issued::new(whole.chain.clone(), other.signer(), other.pem());
        Ok(response.into_iter().fold(copied, Issued::stapled))
    }

    /// Signed by the key of a leaf that is itself good, for a name of the attacker's own: it is no authority's (RFC 5280 section 6.1.4
    /// (k); CVE-2002-0862).
    pub(super) fn signed_by_leaf(&self, what: &str, names: &[Name]) -> Result<Issued, PkiError> {
        let made = || -> Result<Issued, BuildError> {
            let (owned, key) = ([Name::Dns(WRONG_HOST.to_owned())], Key::p256()?);
            let params = leaf_params(subject::domain_validated(&owned), &owned, self.valid(GOOD), &key, Validation::Domain)?;
            let Fresh { der: middle, .. } = self.ecdsa.issue(params.clone(), &key, self.logs.all())?;
            let (by, own) = (Issuer::new(params, key), Key::p256()?);
            let params = leaf_params(subject::domain_validated(names), names, self.valid(GOOD), &own, Validation::Domain)?;
            let leaf = params.signed_by(&own, &by)?.der().clone();
            Ok(Issued::new(vec![leaf, middle, self.ecdsa.der().clone()], own.signer(), own.pem()))
        };
        made().map_err(building(what))
    }

    /// For clients only: extendedKeyUsage without serverAuth (RFC 5280 section 4.2.1.12).
    pub(super) fn client_only(&self, what: &str, names: &[Name]) -> Result<Issued, PkiError> {
        let made =
            self.plain(&self.ecdsa, names, |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
        made.map_err(building(what))
    }

    /// From an intermediate that may issue for one other name only (RFC 5280 section 4.2.1.10).
    pub(super) fn beyond_constraints(&self, what: &str, names: &[Name]) -> Result<Issued, PkiError> {
        let made = || -> Result<Issued, BuildError> {
            let permitted_subtrees = vec![GeneralSubtree::DnsName(WRONG_HOST.to_owned())];
            let names_of_it = NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() };
            let by = self.root.constrained(CONSTRAINED, Key::p256()?, self.now(), Some(names_of_it))?;
            self.plain(&by, names, |_| {})
        };
        made().map_err(building(what))
    }

    /// Signed over SHA-1, for which collisions are known since 2017 (Baseline Requirements section 7.1.3.2.1: no more since 2016).
    pub(super) fn sha1(&self, what: &str, names: &[Name]) -> Result<Issued, PkiError> {
        let made = || -> Result<Issued, BuildError> {
            let by = self.root.intermediate(OLD, Key::rsa2048_for_sha1()?, self.now())?;
            let key = Key::p256()?;
            let params = leaf_params(subject::domain_validated(names), names, self.valid(GOOD), &key, Validation::Domain)?;
            let Fresh { der, .. } = by.issue_over(Digest::Sha1, params, &key, self.logs.all())?;
            Ok(Issued::new(vec![der, by.der().clone()], key.signer(), key.pem()))
        };
        made().map_err(building(what))
    }

    /// A leaf by some authority, with something changed. Nothing is stapled: the fault is to stand alone.
    fn plain(
        &self,
        by: &Authority,
        names: &[Name],
        change: impl FnOnce(&mut rcgen::CertificateParams),
    ) -> Result<Issued, BuildError> {
        let key = Key::p256()?;
        let mut params = leaf_params(subject::domain_validated(names), names, self.valid(GOOD), &key, Validation::Domain)?;
        change(&mut params);
        let Fresh { der, .. } = by.issue(params, &key, self.logs.all())?;
        Ok(Issued::new(vec![der, by.der().clone()], key.signer(), key.pem()))
    }
}

const CONSTRAINED: Called = ("c1", "mitmlab Public CA C1");
const OLD: Called = ("s1", "mitmlab Public CA S1");
