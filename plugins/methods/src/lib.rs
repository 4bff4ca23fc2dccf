//! Fingerprinting methods, one file each.

pub mod akh;
pub mod attacks;
pub mod fbi;
pub mod ip_guard;
pub mod marks;
