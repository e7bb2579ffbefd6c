//! The explicit proxy: CONNECT, absolute-form HTTP and SOCKS5 on one loopback port.
