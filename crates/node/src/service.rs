//! The address of the upstream service, which Kubernetes tells by an environment variable.

use std::net::IpAddr;

/// `kube-dns-upstream` → `KUBE_DNS_UPSTREAM_SERVICE_HOST`.
pub(crate) fn variable(service: &str) -> String {
    format!("{}_SERVICE_HOST", service.to_uppercase().replace('-', "_"))
}

/// Looks the address up; without one, says so.
pub(crate) fn address(
    service: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<IpAddr> {
    let variable = variable(service);
    let value = environment(&variable).unwrap_or_default();
    let address = value.parse().ok();
    if address.is_none() {
        tracing::warn!(
            "Unable to lookup IP address of Upstream service {service}, env ${variable} `{value}`"
        );
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_in_the_variable_of_the_service() {
        let of = |value: &str| {
            let value = value.to_owned();
            address("kube-dns-upstream", &move |name| {
                (name == "KUBE_DNS_UPSTREAM_SERVICE_HOST").then(|| value.clone())
            })
        };
        assert_eq!(of("fd00:0::0001").unwrap().to_string(), "fd00::1");
        assert_eq!(of(""), None);
        assert_eq!(of("x"), None);
        assert_eq!(address("kube-dns", &|_| None), None);
    }
}
