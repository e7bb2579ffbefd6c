//! The interception authority: roots and intermediates with the run's own keys, in memory only.
//!
//! The first root and the intermediate in use are made at once, their keys in parallel. Any other root or dated
//! intermediate gets its key when it first comes into use.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

use super::dates::Dates;
use super::error::ForgeError;
use super::keys::{Holder, Keys, Of};
use super::profile::{Attribute, ExtensionRule, Intermediate, Profile, SerialRule, Twin, Validity, WhenExpired, Window};
use crate::scenario::Clock;
use crate::x509::dates;
use crate::x509::extension::{self, IssuerFacts};
use crate::x509::key::{Digest, Key, KeyKind, random};
use crate::x509::name;
use crate::x509::tbs::{Extension, Tbs};

/// A certificate that signs others, with its key.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    pub(super) der: CertificateDer<'static>,
    pub(super) facts: IssuerFacts,
    pub(super) key: Key,
    pub(super) not_after: OffsetDateTime,
}

/// How the root is held to its lab.
#[derive(Clone, Debug)]
pub(super) enum Confinement {
    /// Not at all: byte for byte as the profile says. Sealed network only.
    Exact,
    /// By name constraints and a comment.
    Lab { hosts: Vec<String>, addresses: Vec<IpAddr> },
}

/// The authority.
#[derive(Debug)]
pub(super) struct Authority {
    maker: Maker,
    first: Arc<Issuer>,
    /// Further roots by their id, known or not, made when first used.
    twins: Mutex<HashMap<String, Arc<Issuer>>>,
    /// Intermediates by the window that they belong to (or none), made when first used.
    intermediates: Mutex<HashMap<Option<usize>, Arc<Issuer>>>,
}

impl Authority {
    /// The first root, and whatever signs leaves now; their keys are made in parallel.
    pub(super) fn new(
        profile: Arc<Profile>,
        clock: Clock,
        dates: Dates,
        confinement: Confinement,
        keys: Keys,
    ) -> Result<Self, ForgeError> {
        let maker = Maker { profile: profile.clone(), clock, dates, confinement, keys };
        let window = profile.intermediate.as_ref().and_then(|recipe| maker.window(recipe));
        let twin = window.and_then(|(_, window)| maker.twin(window.root.as_deref()?));
        let (first, twin_root, key) = std::thread::scope(|scope| {
            let first = scope.spawn(|| maker.root(None));
            let twin_root = twin.map(|twin| scope.spawn(|| maker.root(Some(twin))));
            let key = profile.intermediate.as_ref().map(|recipe| scope.spawn(|| maker.intermediate_key(recipe, window)));
            (first.join(), twin_root.map(|thread| thread.join()), key.map(|thread| thread.join()))
        });
        let first = Arc::new(first.map_err(|_| ForgeError::Worker)??);
        let mut twins = HashMap::new();
        if let (Some(twin), Some(root)) = (twin, twin_root) {
            twins.insert(twin.id.clone(), Arc::new(root.map_err(|_| ForgeError::Worker)??));
        }
        let mut intermediates = HashMap::new();
        if let (Some(recipe), Some(key)) = (&profile.intermediate, key) {
            let root = twin.and_then(|twin| twins.get(&twin.id)).unwrap_or(&first);
            let issuer = maker.intermediate(recipe, window, key.map_err(|_| ForgeError::Worker)??, root)?;
            intermediates.insert(window.map(|(at, _)| at), Arc::new(issuer));
        }
        Ok(Self { maker, first, twins: Mutex::new(twins), intermediates: Mutex::new(intermediates) })
    }

    /// The profile's own root.
    pub(super) fn first_root(&self) -> &Issuer {
        &self.first
    }

    /// The roots that a client may come to trust: the first one, then the known twins in the profile's order. Those that
    /// have not been used are made now, in parallel.
    pub(super) fn roots(&self) -> Result<Vec<Arc<Issuer>>, ForgeError> {
        let known: Vec<&Twin> = self.maker.profile.root.twins.iter().filter(|twin| !twin.unknown).collect();
        let missing: Vec<&Twin> = known.iter().copied().filter(|twin| !self.twins().contains_key(&twin.id)).collect();
        let made: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = missing.iter().map(|twin| scope.spawn(|| self.maker.root(Some(twin)))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(Err(ForgeError::Worker))).collect()
        });
        for (twin, root) in missing.iter().zip(made) {
            let root = Arc::new(root?);
            self.twins().entry(twin.id.clone()).or_insert(root);
        }
        let twins = self.twins();
        Ok(std::iter::once(self.first.clone()).chain(known.iter().filter_map(|twin| twins.get(&twin.id).cloned())).collect())
    }

    /// The certificate that signs leaves now, and what signs it (none if that is the root itself).
    pub(super) fn issuing(&self) -> Result<(Arc<Issuer>, Option<Arc<Issuer>>), ForgeError> {
        let maker = &self.maker;
        let Some(recipe) = &maker.profile.intermediate else { return Ok((self.first.clone(), None)) };
        let window = maker.window(recipe);
        let place = window.map(|(at, _)| at);
        let root = match window.and_then(|(_, window)| window.root.as_deref()) {
            Some(id) => self.root_called(id)?,
            None => self.first.clone(),
        };
        let mut made = self.intermediates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(issuer) = made.get(&place) {
            let expired = issuer.not_after < maker.dates.now(&maker.clock);
            if !expired || recipe.when_expired == WhenExpired::Keep {
                return Ok((issuer.clone(), Some(root)));
            }
        }
        let key = if made.contains_key(&place) { Key::generate(recipe.key)? } else { maker.intermediate_key(recipe, window)? };
        let issuer = Arc::new(maker.intermediate(recipe, window, key, &root)?);
        made.insert(place, issuer.clone());
        Ok((issuer, Some(root)))
    }

    /// A root that no trust store holds, with the first one's name: the fault "untrusted root" mirrored.
    pub(super) fn stranger(&self) -> Result<Arc<Issuer>, ForgeError> {
        self.root_called(STRANGER)
    }

    fn root_called(&self, id: &str) -> Result<Arc<Issuer>, ForgeError> {
        let mut twins = self.twins();
        if let Some(root) = twins.get(id) {
            return Ok(root.clone());
        }
        let root = Arc::new(self.maker.root_of(self.maker.twin(id), Of::Root(Some(id.to_owned())))?);
        twins.insert(id.to_owned(), root.clone());
        Ok(root)
    }

    fn twins(&self) -> MutexGuard<'_, HashMap<String, Arc<Issuer>>> {
        self.twins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What makes an authority's certificates; has no state of its own.
#[derive(Debug)]
struct Maker {
    profile: Arc<Profile>,
    clock: Clock,
    dates: Dates,
    confinement: Confinement,
    keys: Keys,
}

impl Maker {
    fn twin(&self, id: &str) -> Option<&Twin> {
        self.profile.root.twins.iter().find(|twin| twin.id == id)
    }

    /// The window in use: the one that began last, or the first if none has begun.
    fn window<'a>(&self, recipe: &'a Intermediate) -> Option<(usize, &'a Window)> {
        let now = self.clock.now();
        recipe
            .windows
            .iter()
            .enumerate()
            .rfind(|(_, window)| window.from.0 <= now)
            .or_else(|| recipe.windows.iter().enumerate().next())
    }

    fn root(&self, twin: Option<&Twin>) -> Result<Issuer, ForgeError> {
        self.root_of(twin, Of::Root(twin.map(|twin| twin.id.clone())))
    }

    fn root_of(&self, twin: Option<&Twin>, of: Of) -> Result<Issuer, ForgeError> {
        let root = &self.profile.root;
        let subject = twin.and_then(|t| t.subject.as_ref()).unwrap_or(&root.subject);
        let rules = twin.and_then(|t| t.extensions.as_ref()).unwrap_or(&root.extensions);
        let serial = twin.and_then(|t| t.serial.as_ref()).unwrap_or(&root.serial);
        let validity = twin.and_then(|t| t.validity.as_ref()).unwrap_or(&root.validity);
        let mut extra = Vec::new();
        if let Confinement::Lab { hosts, addresses } = &self.confinement {
            extra.push(extension::name_constraints(hosts, addresses));
            extra.push(extension::comment(LAB_COMMENT));
        }
        let recipe = Recipe { subject, serial, rules, digest: root.digest, extra };
        let key = self.key(of, root.key)?;
        self.make(recipe, self.period(validity), key, None)
    }

    fn key(&self, of: Of, kind: KeyKind) -> Result<Key, ForgeError> {
        Ok(self.keys.lasting(Holder { profile: self.profile.name.clone(), of }, kind)?)
    }

    fn intermediate_key(&self, recipe: &Intermediate, window: Option<(usize, &Window)>) -> Result<Key, ForgeError> {
        self.key(Of::Intermediate(window.map(|(at, _)| at)), recipe.key)
    }

    fn intermediate(
        &self,
        recipe: &Intermediate,
        window: Option<(usize, &Window)>,
        key: Key,
        root: &Issuer,
    ) -> Result<Issuer, ForgeError> {
        let period = match (window, &recipe.validity) {
            (Some((_, window)), _) => self.period_of(window),
            (None, Some(validity)) => self.period(validity),
            (None, None) => return Err(ForgeError::Worker),
        };
        let parts = Recipe {
            subject: &recipe.subject,
            serial: &recipe.serial,
            rules: &recipe.extensions,
            digest: recipe.digest,
            extra: Vec::new(),
        };
        self.make(parts, self.renewed(recipe, period), key, Some(root))
    }

    /// A period that has ended is begun anew, if the profile renews.
    fn renewed(&self, recipe: &Intermediate, (from, to): Period) -> Period {
        let now = self.dates.now(&self.clock);
        if to >= now || recipe.when_expired == WhenExpired::Keep { (from, to) } else { (now, now + (to - from)) }
    }

    fn period(&self, rule: &Validity) -> Period {
        match rule {
            Validity::Fixed { from, to } => (self.dates.scenario(&self.clock, from.0), self.dates.scenario(&self.clock, to.0)),
            Validity::Made { before, lifetime } => {
                let from = dates::shifted(self.dates.now(&self.clock), -before.0);
                (from, dates::shifted(from, lifetime.0))
            }
            // The profile's checker refuses these for an authority; a period that is over is the harmless reading.
            Validity::Copied | Validity::Shifted(_) => (OffsetDateTime::UNIX_EPOCH, OffsetDateTime::UNIX_EPOCH),
        }
    }

    fn period_of(&self, window: &Window) -> Period {
        (self.dates.scenario(&self.clock, window.from.0), self.dates.scenario(&self.clock, window.to.0))
    }

    fn make(&self, recipe: Recipe<'_>, (from, to): Period, key: Key, root: Option<&Issuer>) -> Result<Issuer, ForgeError> {
        let subject = name::write(recipe.subject);
        let serial = self.serial(recipe.serial, &key);
        let own = IssuerFacts {
            subject: subject.clone(),
            issuer: root.map_or_else(|| subject.clone(), |r| r.facts.subject.clone()),
            serial,
            key_id: key.id(),
        };
        let signer = root.map_or(&own, |root| &root.facts);
        let mut extensions: Vec<Extension> =
            recipe.rules.iter().filter_map(|rule| authority_extension(rule, &key, signer)).collect();
        extensions.extend(recipe.extra);
        let tbs = Tbs {
            version: 2,
            serial: own.serial.clone(),
            signature: Vec::new(),
            issuer: own.issuer.clone(),
            not_before: dates::write(from),
            not_after: dates::write(to),
            subject,
            spki: key.spki().to_vec(),
            unique_ids: Vec::new(),
            extensions,
        };
        let der = tbs.sign(root.map_or(&key, |root| &root.key), recipe.digest)?;
        Ok(Issuer { der, facts: own, key, not_after: to })
    }

    fn serial(&self, rule: &SerialRule, key: &Key) -> Vec<u8> {
        match (rule, &self.confinement) {
            (SerialRule::KeyId, _) => key_id_serial(key),
            (SerialRule::Fixed(bytes), Confinement::Exact) => crate::x509::der::unsigned_content(&bytes.0),
            (SerialRule::Fixed(bytes), Confinement::Lab { .. }) => random_serial(bytes.0.len().min(20)),
            (SerialRule::Random(octets), _) => random_serial(usize::from(*octets)),
            (SerialRule::Copied | SerialRule::PlusRandom(_), _) => random_serial(20),
        }
    }
}

/// notBefore and notAfter.
type Period = (OffsetDateTime, OffsetDateTime);

struct Recipe<'a> {
    subject: &'a [Attribute],
    serial: &'a SerialRule,
    rules: &'a [ExtensionRule],
    digest: Digest,
    extra: Vec<Extension>,
}

/// The key identifier with its top bit cleared.
pub(super) fn key_id_serial(key: &Key) -> Vec<u8> {
    let mut id = key.id();
    id[0] &= 0x7f;
    crate::x509::der::unsigned_content(&id)
}

/// A random positive serial number that has exactly so many octets: top bit clear, the one below it set.
pub(super) fn random_serial(octets: usize) -> Vec<u8> {
    let mut serial = vec![0; octets.max(1)];
    random(&mut serial);
    serial[0] = serial[0] & 0x7f | 0x40;
    serial
}

fn authority_extension(rule: &ExtensionRule, key: &Key, signer: &IssuerFacts) -> Option<Extension> {
    match rule {
        ExtensionRule::BasicConstraints { ca, path_len, critical } => {
            Some(extension::basic_constraints(*ca, *path_len, *critical))
        }
        ExtensionRule::KeyUsage { bits, critical } => Some(extension::key_usage(bits, *critical)),
        ExtensionRule::ExtendedKeyUsage { purposes, critical } => Some(extension::extended_key_usage(purposes, *critical)),
        ExtensionRule::SubjectKeyId => Some(extension::subject_key_id(key)),
        ExtensionRule::AuthorityKeyId(form) => Some(extension::authority_key_id(*form, signer)),
        ExtensionRule::Raw { oid, value, critical } => {
            Some(Extension { oid: oid.0.clone(), critical: *critical, value: value.0.clone() })
        }
        // Only a leaf has these; the profile's checker says so.
        ExtensionRule::SubjectAltName(_)
        | ExtensionRule::Copied { .. }
        | ExtensionRule::LikeGenuine { .. }
        | ExtensionRule::Timestamps { .. } => None,
    }
}

/// No profile has a twin without a name.
const STRANGER: &str = "";

/// What a lab's root says of itself.
pub(super) const LAB_COMMENT: &str = "mitmlab: made by a simulation for tests on one machine. Its key is gone. Do not trust.";

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::forge::profile::Moment;

    fn authority(when_expired: WhenExpired) -> Authority {
        let mut profile = Profile::load("corporate").unwrap();
        profile.root.key = KeyKind::P256;
        let intermediate = profile.intermediate.as_mut().unwrap();
        intermediate.key = KeyKind::P256;
        intermediate.when_expired = when_expired;
        let (from, to) = (Moment(datetime!(2019-01-01 0:00 UTC)), Moment(datetime!(2019-03-17 0:00 UTC)));
        intermediate.validity = Some(Validity::Fixed { from, to });
        let clock = Clock::starting_at(datetime!(2019-03-01 0:00 UTC));
        Authority::new(Arc::new(profile), clock, Dates::AsWritten, Confinement::Exact, Keys::default()).unwrap()
    }

    #[test]
    fn an_expired_intermediate_is_renewed_or_kept_as_the_profile_says() {
        for (when_expired, renewed) in [(WhenExpired::Renew, true), (WhenExpired::Keep, false)] {
            let authority = authority(when_expired);
            let (before, root) = authority.issuing().unwrap();
            assert_eq!(before.facts.issuer, root.unwrap().facts.subject);
            assert_eq!(authority.issuing().unwrap().0.der, before.der, "one in its time");
            authority.maker.clock.set(datetime!(2019-04-01 0:00 UTC));
            let (after, _) = authority.issuing().unwrap();
            assert_eq!(after.der != before.der, renewed);
            let lifetime = after.not_after - datetime!(2019-04-01 0:00 UTC);
            assert_eq!((lifetime - time::Duration::days(75)).abs() < time::Duration::MINUTE, renewed, "{lifetime}");
        }
    }

    #[test]
    fn a_stranger_has_the_roots_name_and_another_key() {
        let authority = authority(WhenExpired::Keep);
        let stranger = authority.stranger().unwrap();
        assert_eq!(stranger.facts.subject, authority.first_root().facts.subject);
        assert_ne!(stranger.facts.key_id, authority.first_root().facts.key_id);
    }

    #[test]
    fn serial_numbers_have_their_length_and_are_positive() {
        for octets in 1..=20 {
            let serial = random_serial(octets);
            assert!(serial.len() == octets && serial[0] & 0x80 == 0 && serial[0] != 0);
        }
        let key = Key::generate(KeyKind::P256).unwrap();
        assert!(key_id_serial(&key)[0] & 0x80 == 0);
    }
}
