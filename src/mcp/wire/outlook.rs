//! What is expected of this month's spend.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cost::forecast::{Anomaly, DaysToCap, Forecast, Quantiles};

#[derive(Debug, Serialize, JsonSchema)]
pub struct ForecastOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    month_end_usd: Option<QuantilesOutput>,
    /// Days until the monthly budget is used up
    #[serde(skip_serializing_if = "Option::is_none")]
    days_to_cap: Option<DaysOutput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anomaly: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct QuantilesOutput {
    p10: f64,
    p50: f64,
    p90: f64,
}

// Absent: not within 92 days.
#[derive(Debug, Serialize, JsonSchema)]
struct DaysOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    p10: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50: Option<u16>,
}

impl ForecastOutput {
    /// Words a forecast; `None` where it says nothing.
    pub(in crate::mcp) fn of(forecast: &Forecast) -> Option<Self> {
        let Forecast { month_end, days_to_cap, anomaly, .. } = *forecast;
        if month_end.is_none() && days_to_cap.is_none() && anomaly.is_none() {
            return None;
        }
        Some(Self {
            month_end_usd: month_end.map(|Quantiles { p10, p50, p90 }| QuantilesOutput {
                p10: p10.dollars(),
                p50: p50.dollars(),
                p90: p90.dollars(),
            }),
            days_to_cap: days_to_cap.map(|DaysToCap { p10, p50 }| DaysOutput { p10, p50 }),
            anomaly: anomaly.map(|Anomaly { day, spent, usual_high }| {
                format!("{spent} on {day}, where at most {usual_high} is usual")
            }),
        })
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(QuantilesOutput { p10, p50, p90 }) = &self.month_end_usd {
            lines.push(format!(
                "month's end: ${p50:.4} expected, ${p10:.4} to ${p90:.4} with a chance of 80 %"
            ));
        }
        if let Some(DaysOutput { p10, p50 }) = &self.days_to_cap {
            let word = |days: &Option<u16>| {
                days.map_or("not within 92 days".to_owned(), |days| format!("{days} days"))
            };
            lines.push(format!(
                "monthly budget used up: in {} as likely as not, in {} with a chance of 10 %",
                word(p50),
                word(p10)
            ));
        }
        lines.extend(self.anomaly.iter().map(|anomaly| format!("out of the ordinary: {anomaly}")));
        lines
    }
}
