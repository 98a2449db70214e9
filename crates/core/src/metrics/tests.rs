//! Counting on several threads, and the page.

use super::*;

#[test]
fn workers_and_other_threads_add_up() {
    let metrics = Metrics::new(2);
    let family = metrics.counter("dunlin_test_total", "Test.", &["kind"]);
    let counter = family.with(&["a"]);
    std::thread::scope(|scope| {
        for index in 0..2 {
            let counter = counter.clone();
            scope.spawn(move || {
                crate::worker::enter(index);
                (0..1000).for_each(|_| counter.inc());
            });
        }
        (0..1000).for_each(|_| counter.inc());
    });
    assert_eq!(counter.value(), 3000);
    assert_eq!(metrics.counter("dunlin_test_total", "Test.", &["kind"]).with(&["a"]).value(), 3000);
}

#[test]
fn the_page_has_the_prometheus_form() {
    let metrics = Metrics::new(1);
    metrics.counter("dunlin_a_total", "A.", &["x"]).with(&["q\"1"]).add(2);
    metrics.gauge("dunlin_b", "B.", &[]).with(&[]).set(-3);
    let histogram = metrics.histogram("dunlin_c", "C.", &[], &[1.0, 2.0]).with(&[]);
    [0.5, 1.0, 1.5, 9.0].into_iter().for_each(|value| histogram.observe(value));
    let page = metrics.page();
    for line in [
        "# TYPE dunlin_a_total counter",
        "dunlin_a_total{x=\"q\\\"1\"} 2",
        "dunlin_b -3",
        "dunlin_c_bucket{le=\"1\"} 2",
        "dunlin_c_bucket{le=\"2\"} 3",
        "dunlin_c_bucket{le=\"+Inf\"} 4",
        "dunlin_c_sum 12",
        "dunlin_c_count 4",
    ] {
        assert!(page.lines().any(|found| found == line), "no line {line} in\n{page}");
    }
    assert!(page.contains("process_resident_memory_bytes"));
}
