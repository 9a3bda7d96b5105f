//! The doubles themselves: an account in this process is like AWS where the tests count on it.

mod world;
