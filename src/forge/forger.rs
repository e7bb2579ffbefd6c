//! The forger: what the box asks for a certificate.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

use super::authority::{Authority, Confinement, Issuer};
use super::cache::{Cache, Place, Serials};
use super::dates::Dates;
use super::error::ForgeError;
use super::fault::OriginFault;
use super::host;
use super::keys::Keys;
use super::leaf::{Making, Treatment, kind_like};
use super::profile::{CacheBy, ChainSent, ExtensionRule, LeafKey, Names, Ocsp, Profile, Reuse, SubjectRule};
use super::supply::KeySupply;
use crate::scenario::{Clock, UpstreamFault};
use crate::x509::extension::AltName;
use crate::x509::key::{Key, KeyKind, sha256};
use crate::x509::ocsp;
use crate::x509::sct::Log;
use crate::x509::tbs::{Parsed, Tbs};

/// How a forger is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Byte for byte as the profile says; otherwise the root is confined to `hosts` and `addresses` by critical name
    /// constraints and says in a comment that it is a lab's.
    pub exact: bool,
    /// The scenario's own host names; `*.` in front is dropped, and everything below a name is permitted.
    pub hosts: Vec<String>,
    /// The scenario's own addresses.
    pub addresses: Vec<IpAddr>,
    /// What becomes of an origin whose certificate is bad.
    pub upstream_fault: UpstreamFault,
    /// Which time the certificates' dates are in.
    pub dates: Dates,
    /// Leaf keys that are kept ready; 0 starts no thread.
    pub warm_keys: usize,
    /// The run's keys: forgers that share them have the same roots' keys, profile by profile.
    pub keys: Keys,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            exact: false,
            hosts: Vec::new(),
            addresses: Vec::new(),
            upstream_fault: UpstreamFault::Pass,
            dates: Dates::Moved,
            warm_keys: WARM_KEYS,
            keys: Keys::default(),
        }
    }
}

/// A forged chain, ready for a handshake.
#[derive(Clone, Debug)]
pub struct Forged {
    /// For rustls: chain, key, and the stapled response if the profile has one.
    pub certified: Arc<CertifiedKey>,
    /// The chain as sent, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Microseconds that the forging took; 0 if it came from the cache.
    pub micros: u64,
    /// It came from the cache.
    pub cached: bool,
    /// What a reader of the record should know.
    pub remarks: Vec<String>,
    stale_after: Option<OffsetDateTime>,
}

/// Forges certificates by one profile, with an authority of its own: fresh keys that live in memory only.
/// Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct Forger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    profile: Arc<Profile>,
    clock: Clock,
    options: Options,
    authority: Authority,
    supply: Arc<KeySupply>,
    shared_key: OnceLock<Key>,
    shared_key_making: Mutex<()>,
    logs: Vec<Log>,
    cache: Cache<CacheKey, Arc<Forged>>,
    serials: Serials,
}

/// What two leaves must have in common to be one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CacheKey {
    genuine: Option<[u8; 32]>,
    host: Option<AltName>,
    issuer: [u8; 20],
    treatment: Treatment,
}

impl Forger {
    /// An authority with the run's keys, or fresh ones. Takes as long as its largest keys do: a third of a second for RSA-4096.
    pub fn new(profile: Profile, clock: Clock, options: Options) -> Result<Self, ForgeError> {
        let profile = Arc::new(profile);
        let confinement = match options.exact {
            true => Confinement::Exact,
            false => Confinement::Lab { hosts: options.hosts.clone(), addresses: options.addresses.clone() },
        };
        let supply = supply_for(&profile, &options);
        let logs = (0..log_count(&profile)).map(|_| Log::new()).collect::<Result<_, _>>()?;
        let authority = Authority::new(profile.clone(), clock.clone(), options.dates, confinement, options.keys.clone())?;
        Ok(Self(Arc::new(Inner {
            profile,
            clock,
            options,
            authority,
            supply,
            shared_key: OnceLock::new(),
            shared_key_making: Mutex::new(()),
            logs,
            cache: Cache::holding(MOST_CACHED),
            serials: Serials::default(),
        })))
    }

    /// The profile.
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// The root that a client is told to install.
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.0.authority.first_root().der
    }

    /// All roots that a trust store could hold, the first one first. Several may share one name. Makes those that have not
    /// been used yet, which takes as long as their keys.
    pub fn roots(&self) -> Result<Vec<CertificateDer<'static>>, ForgeError> {
        Ok(self.0.authority.roots()?.iter().map(|root| root.der.clone()).collect())
    }

    /// SHA-256 of the first root's SubjectPublicKeyInfo: what vendors' block lists name.
    pub fn root_spki_sha256(&self) -> [u8; 32] {
        sha256(self.0.authority.first_root().key.spki())
    }

    /// The key supply, for tests and figures.
    pub fn supply(&self) -> &KeySupply {
        &self.0.supply
    }

    /// The logs whose timestamps are embedded, if the profile has any.
    pub fn logs(&self) -> &[Log] {
        &self.0.logs
    }

    /// The fields that no source tells, with the reason: `leaf.ocsp: no source tells ...`.
    pub fn not_evidence_based(&self) -> Vec<String> {
        self.0.profile.not_evidence_based.iter().map(|(field, why)| format!("{field}: {why}")).collect()
    }

    /// Forges.
    ///
    /// `genuine` is the origin's chain, leaf first; `sni` what the client asked for; `destination` what it dialled; `fault`
    /// what the box found wrong with the genuine chain. Blocks for a key if the supply is empty (65 ms for RSA-2048).
    ///
    /// # Errors
    /// The origin's fault is passed or refused by the options; the genuine certificate is unreadable, or lacks what the
    /// profile copies; the asked host cannot stand in a certificate.
    pub fn forge(
        &self,
        genuine: &[CertificateDer<'_>],
        sni: Option<&str>,
        destination: IpAddr,
        fault: Option<OriginFault>,
    ) -> Result<Arc<Forged>, ForgeError> {
        let began = Instant::now();
        let inner = &*self.0;
        let Wish { treatment, host, issuer, root, place } = inner.wish(genuine, sni, destination, fault)?;
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        let now = inner.options.dates.now(&inner.clock);
        if let Some(kept) = fresh(&place, now) {
            return Ok(kept);
        }
        let mut forged = inner.make(genuine, host.as_ref(), &issuer, root.as_deref(), treatment, now)?;
        if forged.chain[0].len() <= LARGEST_CACHED {
            *place = Some(Arc::new(Forged { micros: 0, cached: true, ..forged.clone() }));
        } else {
            forged.remarks.push(format!("of {} KiB, too large to be used again", forged.chain[0].len() >> 10));
        }
        forged.micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        Ok(Arc::new(forged))
    }

    /// What [`Self::forge`] would answer, if it could at once: never blocks, makes nothing.
    pub fn forged_already(
        &self,
        genuine: &[CertificateDer<'_>],
        sni: Option<&str>,
        destination: IpAddr,
        fault: Option<OriginFault>,
    ) -> Option<Arc<Forged>> {
        let wish = self.0.wish(genuine, sni, destination, fault).ok()?;
        let place = wish.place.try_lock().ok()?;
        fresh(&place, self.0.options.dates.now(&self.0.clock))
    }
}

/// What a leaf is made from, and the place that is kept for it.
struct Wish {
    treatment: Treatment,
    host: Option<AltName>,
    issuer: Arc<Issuer>,
    root: Option<Arc<Issuer>>,
    place: Place<Arc<Forged>>,
}

fn fresh(place: &Option<Arc<Forged>>, now: OffsetDateTime) -> Option<Arc<Forged>> {
    place.as_ref().filter(|kept| kept.stale_after.is_none_or(|end| now < end)).cloned()
}

impl Inner {
    fn wish(
        &self,
        genuine: &[CertificateDer<'_>],
        sni: Option<&str>,
        destination: IpAddr,
        fault: Option<OriginFault>,
    ) -> Result<Wish, ForgeError> {
        let treatment = self.treatment(fault)?;
        let wants_host = self.wants_host(treatment);
        let host = if wants_host { Some(host::wanted(sni, destination)?) } else { None };
        let (issuer, root) = self.issuing(treatment)?;
        let key = CacheKey {
            genuine: (self.profile.leaf.cache != CacheBy::Host).then(|| genuine.first().map(|leaf| sha256(leaf))).flatten(),
            host: host.clone(),
            issuer: issuer.facts.key_id,
            treatment,
        };
        let place = self.cache.place(&key);
        Ok(Wish { treatment, host, issuer, root, place })
    }

    fn treatment(&self, fault: Option<OriginFault>) -> Result<Treatment, ForgeError> {
        match (fault, self.options.upstream_fault) {
            (None, _) => Ok(Treatment::Sound),
            (Some(fault), UpstreamFault::Pass) => Err(ForgeError::LeftAlone(fault)),
            (Some(fault), UpstreamFault::Refuse) => Err(ForgeError::Refused(fault)),
            (Some(fault), UpstreamFault::Mirror) => Ok(Treatment::Mirror(fault)),
            (Some(fault), UpstreamFault::Mask) => Ok(Treatment::Mask(fault)),
        }
    }

    fn wants_host(&self, treatment: Treatment) -> bool {
        let leaf = &self.profile.leaf;
        leaf.subject == SubjectRule::Host
            || leaf.cache != CacheBy::Genuine
            || treatment == Treatment::Mask(OriginFault::WrongHost)
            || leaf.extensions.contains(&ExtensionRule::SubjectAltName(Names::Host))
    }

    /// Who signs, and the root above if that is another.
    fn issuing(&self, treatment: Treatment) -> Result<(Arc<Issuer>, Option<Arc<Issuer>>), ForgeError> {
        match treatment {
            Treatment::Mirror(OriginFault::UntrustedRoot) => Ok((self.authority.stranger()?, None)),
            _ => self.authority.issuing(),
        }
    }

    fn make(
        &self,
        genuine: &[CertificateDer<'_>],
        host: Option<&AltName>,
        issuer: &Issuer,
        root: Option<&Issuer>,
        treatment: Treatment,
        now: OffsetDateTime,
    ) -> Result<Forged, ForgeError> {
        let parsed = self.read_genuine(genuine, treatment)?;
        let mut remarks = remarks_on(treatment);
        let key = self.leaf_key(parsed.as_ref(), issuer, &mut remarks)?;
        let making = Making {
            profile: &self.profile.name,
            recipe: &self.profile.leaf,
            genuine: parsed.as_ref(),
            host,
            issuer,
            key: &key,
            logs: &self.logs,
            now,
            offset: self.options.dates.offset(&self.clock),
            treatment,
        };
        let made = making.make(|serial| self.serials.take(serial))?;
        remarks.extend(made.remarks);
        let staple = match self.profile.leaf.ocsp {
            Ocsp::Good => Some(ocsp::good(&issuer.facts, &issuer.key, &made.serial, now)?),
            Ocsp::None => None,
        };
        let chain = self.chain(made.der, issuer, root, treatment);
        let certified = CertifiedKey { cert: chain.clone(), key: key.signing_key(), ocsp: staple };
        Ok(Forged { certified: Arc::new(certified), chain, micros: 0, cached: false, remarks, stale_after: made.stale_after })
    }

    /// The genuine leaf. One that cannot be read is an error only for a profile that takes something from it.
    fn read_genuine(&self, genuine: &[CertificateDer<'_>], treatment: Treatment) -> Result<Option<Tbs>, ForgeError> {
        let mirrors = matches!(treatment, Treatment::Mirror(_));
        match genuine.first().map(|leaf| Parsed::read(leaf)) {
            None => Ok(None),
            Some(Ok(parsed)) => Ok(Some(parsed.tbs)),
            Some(Err(error)) if mirrors || self.profile.leaf.copies() => Err(error.into()),
            Some(Err(_)) => Ok(None),
        }
    }

    fn leaf_key(&self, genuine: Option<&Tbs>, issuer: &Issuer, remarks: &mut Vec<String>) -> Result<Key, ForgeError> {
        let recipe = &self.profile.leaf;
        if recipe.key == LeafKey::Issuer {
            return Ok(issuer.key.clone());
        }
        if recipe.reuse == Reuse::OneForAll {
            let _one_maker = self.shared_key_making.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(key) = self.shared_key.get() {
                return Ok(key.clone());
            }
            let key = self.fresh_key(genuine, remarks)?;
            return Ok(self.shared_key.get_or_init(|| key).clone());
        }
        self.fresh_key(genuine, remarks)
    }

    fn fresh_key(&self, genuine: Option<&Tbs>, remarks: &mut Vec<String>) -> Result<Key, ForgeError> {
        let kind = match self.profile.leaf.key {
            LeafKey::Kind(kind) => kind,
            LeafKey::LikeGenuine | LeafKey::Issuer => {
                let genuine = genuine.ok_or(ForgeError::NoGenuine)?;
                kind_like(&genuine.spki).unwrap_or_else(|near| {
                    remarks.push(format!(
                        "no key like the genuine {} can be made: {near}",
                        crate::x509::describe::public_key(&genuine.spki)
                    ));
                    near
                })
            }
        };
        if kind == self.supply.kind() { Ok(self.supply.take()?.0) } else { Ok(Key::generate(kind)?) }
    }

    fn chain(
        &self,
        leaf: CertificateDer<'static>,
        issuer: &Issuer,
        root: Option<&Issuer>,
        treatment: Treatment,
    ) -> Vec<CertificateDer<'static>> {
        let mut chain = vec![leaf];
        if treatment == Treatment::Mirror(OriginFault::SelfSigned) {
            return chain;
        }
        let sent = self.profile.leaf.chain;
        if root.is_some() && sent != ChainSent::LeafOnly {
            chain.push(issuer.der.clone());
        }
        if sent == ChainSent::WithRoot {
            chain.push(root.unwrap_or(issuer).der.clone());
        }
        chain
    }
}

fn remarks_on(treatment: Treatment) -> Vec<String> {
    match treatment {
        Treatment::Sound => Vec::new(),
        Treatment::Mirror(OriginFault::Revoked) => {
            vec!["a revocation cannot be mirrored: the forged certificate is not revoked".to_owned()]
        }
        Treatment::Mirror(fault) => vec![format!("the origin's fault is mirrored: {fault}")],
        Treatment::Mask(fault) => vec![format!("the origin's fault is masked: {fault}")],
    }
}

/// Keys of the kind that most leaves will want are kept ready.
fn supply_for(profile: &Profile, options: &Options) -> Arc<KeySupply> {
    let depth = options.warm_keys;
    match profile.leaf.key {
        LeafKey::Kind(kind) if profile.leaf.reuse == Reuse::OneForAll => options.keys.shelf(kind, depth.min(1)),
        LeafKey::Kind(kind) => options.keys.shelf(kind, depth),
        LeafKey::LikeGenuine => options.keys.shelf(KeyKind::Rsa { bits: 2048, exponent: 65537 }, depth),
        LeafKey::Issuer => options.keys.shelf(KeyKind::P256, 0),
    }
}

fn log_count(profile: &Profile) -> u8 {
    let logs = profile.leaf.extensions.iter().find_map(|rule| match rule {
        ExtensionRule::Timestamps { logs } => Some(*logs),
        _ => None,
    });
    logs.unwrap_or(0)
}

/// A browser's first page reaches some eight hosts at once.
const WARM_KEYS: usize = 8;

/// A forged leaf with its chain takes some 5 KiB; a lab has a few hundred hosts.
const MOST_CACHED: usize = 1024;

/// Together with [`MOST_CACHED`] this holds the cache below 64 MiB, whatever origins show.
const LARGEST_CACHED: usize = 60 << 10;
