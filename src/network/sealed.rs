//! The sealed network: namespaces, links, routes, mounts.
