//! Which part of the site a call is for: what is counted and logged of a path that may hold secrets and addresses.

/// A part of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// The webhook that registers a customer.
    User,
    /// The webhook that takes a question.
    Topic,
    /// `/api`.
    Api,
    /// What machines ask to see how this one is doing.
    Monitor,
    /// Pages, and whatever is served nowhere.
    Site,
}

impl Area {
    /// The part that `path` belongs to.
    pub(super) fn of(path: &str) -> Self {
        let last = path.trim_end_matches('/').rsplit('/').next();
        match (path.split('/').nth(1), last) {
            (Some("umishop_api"), Some("user")) => Self::User,
            (Some("umishop_api"), Some("topic")) => Self::Topic,
            (Some("api"), _) => Self::Api,
            (Some("healthz" | "readyz" | "metrics"), _) => Self::Monitor,
            _ => Self::Site,
        }
    }

    /// The word for it in metrics and logs: one of [`AREAS`](crate::metrics::AREAS).
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Topic => "topic",
            Self::Api => "api",
            Self::Monitor => "monitor",
            Self::Site => "site",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::AREAS;

    #[test]
    fn a_path_shows_its_area_and_nothing_else() {
        let areas = [Area::User, Area::Topic, Area::Api, Area::Monitor, Area::Site];
        assert_eq!(areas.map(Area::as_str), *AREAS);
        for (path, area) in [
            ("/umishop_api/user", Area::User),
            ("/umishop_api/s3cret/user/", Area::User),
            ("/umishop_api/s3cret/topic", Area::Topic),
            ("/api/suppressions/ana@example.com", Area::Api),
            ("/readyz", Area::Monitor),
            ("/metrics", Area::Monitor),
            ("/umishop_api/other", Area::Site),
            ("/", Area::Site),
            ("", Area::Site),
        ] {
            assert_eq!(Area::of(path), area, "{path}");
        }
    }
}
