//! What a record of a database says, as labels and values. Names are English.

use maxminddb::geoip2::{Asn, City};

/// A label and its value.
pub(super) type Label = (&'static str, String);

/// What is missing is empty, but for the flag.
pub(super) fn of_city(city: &City<'_>) -> Vec<Label> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let degrees = |degrees: Option<f64>| degrees.map(|d| d.to_string()).unwrap_or_default();
    let codes = city.subdivisions.iter().map(|part| part.iso_code.unwrap_or_default());
    let codes: Vec<&str> = codes.collect();
    let is_in_european_union = city.country.is_in_european_union.unwrap_or(false);
    vec![
        ("geoip/city/name", text(city.city.names.english)),
        ("geoip/country/code", text(city.country.iso_code)),
        ("geoip/country/name", text(city.country.names.english)),
        ("geoip/country/is_in_european_union", is_in_european_union.to_string()),
        ("geoip/continent/code", text(city.continent.code)),
        ("geoip/continent/name", text(city.continent.names.english)),
        ("geoip/latitude", degrees(city.location.latitude)),
        ("geoip/longitude", degrees(city.location.longitude)),
        ("geoip/timezone", text(city.location.time_zone)),
        ("geoip/postalcode", text(city.postal.code)),
        ("geoip/subdivisions/code", codes.join(",")),
    ]
}

/// An address that is not there has number 0.
pub(super) fn of_asn(asn: Option<&Asn<'_>>) -> Vec<Label> {
    let number = asn.and_then(|asn| asn.autonomous_system_number).unwrap_or(0);
    let organization = asn.and_then(|asn| asn.autonomous_system_organization).unwrap_or_default();
    vec![("geoip/asn/number", number.to_string()), ("geoip/asn/org", organization.to_owned())]
}
