//! A metric name with its label sets.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{self, LabelPair, MetricFamily, MetricType};

use super::cells::{Counter, Gauge, Histogram};

/// Counters of one name.
pub type CounterFamily = Family<Counter>;
/// Gauges of one name.
pub type GaugeFamily = Family<Gauge>;
/// Histograms of one name.
pub type HistogramFamily = Family<Histogram>;

/// All series of one metric name.
#[derive(Debug)]
pub struct Family<T>(Arc<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    /// What a new series needs: the number of workers, the bounds of the buckets.
    workers: usize,
    bounds: &'static [f64],
    desc: Option<Desc>,
    series: Mutex<HashMap<Vec<String>, T>>,
}

impl<T> Clone for Family<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Series> Family<T> {
    fn make(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        workers: usize,
        bounds: &'static [f64],
    ) -> Self {
        let names = labels.iter().map(ToString::to_string).collect();
        let desc = Desc::new(name.into(), help.into(), names, HashMap::new());
        let desc = desc.inspect_err(|error| tracing::error!(%error, name, "bad metric")).ok();
        let family = Self(Arc::new(Inner {
            name,
            help,
            labels,
            workers,
            bounds,
            desc,
            series: Mutex::default(),
        }));
        if labels.is_empty() {
            family.with(&[]); // a metric without labels exists from the start
        }
        family
    }

    /// The series with these label values, in the order of the label names. This takes a lock:
    /// resolve once, when the chain is built, and keep the handle.
    pub fn with(&self, values: &[&str]) -> T {
        debug_assert_eq!(values.len(), self.0.labels.len(), "label values of {}", self.0.name);
        let mut series = self.0.series.lock();
        let values = values.iter().map(ToString::to_string).collect();
        series.entry(values).or_insert_with(|| T::make(self.0.workers, self.0.bounds)).clone()
    }

    /// Forgets the series for which `keep` says no; it gets the label values.
    pub fn retain(&self, mut keep: impl FnMut(&[String]) -> bool) {
        self.0.series.lock().retain(|values, _| keep(values));
    }
}

impl CounterFamily {
    pub(super) fn new(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        workers: usize,
    ) -> Self {
        Self::make(name, help, labels, workers, &[])
    }
}

impl GaugeFamily {
    pub(super) fn new(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self::make(name, help, labels, 0, &[])
    }

    /// Forgets the series of which nobody holds a handle any more: two generations may hold the
    /// same series for a while, and it ends with the last of them.
    pub fn forget_unheld(&self) {
        self.0.series.lock().retain(|_, gauge| gauge.is_held());
    }
}

impl HistogramFamily {
    pub(super) fn new(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        bounds: &'static [f64],
        workers: usize,
    ) -> Self {
        Self::make(name, help, labels, workers, bounds)
    }
}

/// A kind of number that can be one series of a family.
pub trait Series: Clone + Send + Sync + 'static {
    #[doc(hidden)]
    const KIND: MetricType;
    #[doc(hidden)]
    fn make(workers: usize, bounds: &'static [f64]) -> Self;
    #[doc(hidden)]
    fn write(&self, metric: &mut proto::Metric);
}

impl Series for Counter {
    const KIND: MetricType = MetricType::COUNTER;

    fn make(workers: usize, _bounds: &'static [f64]) -> Self {
        Self::new(workers)
    }

    #[allow(clippy::cast_precision_loss, reason = "Prometheus numbers are floats")]
    fn write(&self, metric: &mut proto::Metric) {
        let mut counter = proto::Counter::default();
        counter.set_value(self.value() as f64);
        metric.set_counter(counter);
    }
}

impl Series for Gauge {
    const KIND: MetricType = MetricType::GAUGE;

    fn make(_workers: usize, _bounds: &'static [f64]) -> Self {
        Self::default()
    }

    #[allow(clippy::cast_precision_loss, reason = "Prometheus numbers are floats")]
    fn write(&self, metric: &mut proto::Metric) {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(self.value() as f64);
        metric.set_gauge(gauge);
    }
}

impl Series for Histogram {
    const KIND: MetricType = MetricType::HISTOGRAM;

    fn make(workers: usize, bounds: &'static [f64]) -> Self {
        Self::new(bounds, workers)
    }

    fn write(&self, metric: &mut proto::Metric) {
        let (sum, counts) = self.snapshot();
        let mut histogram = proto::Histogram::default();
        let mut total = 0;
        let mut buckets = Vec::with_capacity(self.bounds().len());
        for (bound, count) in self.bounds().iter().zip(&counts) {
            total += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(total);
            buckets.push(bucket);
        }
        histogram.set_bucket(buckets);
        histogram.set_sample_sum(sum);
        histogram.set_sample_count(counts.iter().sum());
        metric.set_histogram(histogram);
    }
}

impl<T: Series> Collector for Family<T> {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut metrics: Vec<proto::Metric> = Vec::new();
        for (values, series) in self.0.series.lock().iter() {
            let mut metric = proto::Metric::default();
            let pairs = self.0.labels.iter().zip(values).map(|(name, value)| {
                let mut pair = LabelPair::default();
                pair.set_name((*name).to_owned());
                pair.set_value(value.clone());
                pair
            });
            let mut pairs: Vec<LabelPair> = pairs.collect();
            // The order of Go's client: a page can be compared with CoreDNS's line by line.
            pairs.sort_by(|one, other| one.name().cmp(other.name()));
            metric.set_label(pairs);
            series.write(&mut metric);
            metrics.push(metric);
        }
        if metrics.is_empty() {
            return Vec::new();
        }
        let mut family = MetricFamily::default();
        family.set_name(self.0.name.into());
        family.set_help(self.0.help.into());
        family.set_field_type(T::KIND);
        family.set_metric(metrics);
        vec![family]
    }
}
