// What goes on over time: days, this month and its end, experiments.

const VERDICTS = {
  treatment_better: 'the treatment is better',
  control_better: 'control is better',
  equivalent: 'no difference that matters',
  undecided: 'undecided',
  invalid: 'invalid',
}
const METRICS = { cost_usd: 'cost', saved_usd: 'saving', latency_ms: 'latency' }

function daysSection({ by_day, as_of, from }) {
  if (!by_day) return undefined
  const days = by_day.filter((day) => !Number.isNaN(midnight(day.key)))
  if (days.length === 0) return section('days', 'Spend and saving by day', quiet(NO_REQUESTS))
  const [first, last] = [midnight(days[0].key), midnight(days.at(-1).key)]
  // All of the period, unless it goes back to before there was anything.
  const asked = from === undefined ? first : midnight(from)
  const begin = first - asked > 31 * DAY_MS ? first : Math.min(first, asked)
  const times = [begin, Math.max(last, as_of === undefined ? last : midnight(as_of)) + DAY_MS]
  const bars = (kind, valueOf, height) => (width) =>
    dayBars({
      width,
      height,
      times,
      kind,
      word: money,
      days: days.map((day) => ({ at: midnight(day.key), value: valueOf(day) })),
    })
  const rows = days.map((day) => [
    day.key,
    number(day.requests),
    amount(day.cost_usd),
    amount(day.baseline_cost_usd),
    amount(day.saved_usd),
  ])
  return section(
    'days',
    'Spend and saving by day',
    make(
      'div',
      { class: 'pair' },
      figure(
        'days-spent',
        'Spend by day, bars',
        bars('cost', (day) => day.cost_usd, 170),
        extremes('Spent', days, (day) => day.cost_usd),
      ),
      figure(
        'days-saved',
        'Saving by day against the baseline, bars',
        bars('saved', (day) => day.saved_usd, 170),
        extremes('Saved against the baseline', days, (day) => day.saved_usd),
      ),
    ),
    disclosure(
      'days-table',
      'The same as a table',
      table('Spend and saving by day, UTC', ['Day', '#Requests', '#Cost', '#Baseline', '#Saved'], rows),
    ),
  )
}

/** Says in words what bars show. */
function extremes(what, days, valueOf) {
  const [least, most] = [
    days.reduce((one, other) => (valueOf(other) < valueOf(one) ? other : one)),
    days.reduce((one, other) => (valueOf(other) > valueOf(one) ? other : one)),
  ]
  const on = (day) => [amount(valueOf(day)), ` on ${day.key}`]
  return days.length === 1 ? [`${what}: `, on(most), '.'] : [`${what}: from `, on(least), ' to ', on(most), '.']
}

function monthSection({ month, forecast, budgets, as_of }) {
  if (!month && !forecast) return undefined
  const drawing = month && monthFigure(month, forecast?.month_end_usd, budgets ?? [], as_of)
  // The figure's words say already what the month's end will be.
  const { month_end_usd, ...rest } = forecast ?? {}
  return section(
    'month',
    'This month',
    drawing,
    forecastWords(month?.days.length > 0 ? rest : { month_end_usd, ...rest }),
  )
}

function monthFigure({ end, days }, quantiles, budgets, as_of) {
  if (days.length === 0) return quiet('Nothing was spent this month.')
  const endAt = midnight(end)
  const begin = Date.UTC(new Date(endAt).getUTCFullYear(), new Date(endAt).getUTCMonth() - 1)
  const now = Math.min(endAt, as_of === undefined ? midnight(days.at(-1).day) + DAY_MS : Date.parse(as_of))
  let sum = 0
  const points = [{ at: begin, value: 0 }]
  for (const { day, cost_usd } of days) {
    // From midnight on: a day without spend leaves the sum where it is.
    points.push({ at: midnight(day), value: sum })
    sum += cost_usd
    points.push({ at: Math.min(now, midnight(day) + DAY_MS), value: sum })
  }
  points.push({ at: now, value: sum })
  const band = quantiles && { at: endAt, low: quantiles.p10, middle: quantiles.p50, high: quantiles.p90 }
  const most = Math.max(sum, band?.high ?? 0)
  const limits = budgets
    .filter(({ period, tag }) => period === 'month' && tag === undefined)
    .map(({ limit_usd }) => limit_usd)
  // One that is far away would press all else flat; its meter shows it.
  const limit = limits.filter((usd) => usd <= most * 3).sort((one, other) => one - other)[0]
  const chart = (width) => growth({ width, height: 200, points, times: [begin, endAt], band, limit, word: money })
  const lastDay = dayOf(endAt - DAY_MS)
  const rest = band
    ? [
        `Expected by the end of ${lastDay}: `,
        amount(band.middle),
        '; with a chance of 80 % from ',
        amount(band.low),
        ' to ',
        amount(band.high),
        '.',
      ]
    : `For a forecast to ${lastDay} there are too few days yet.`
  const words = ['Spent so far: ', amount(sum), '. ', rest]
  const rows = days.map(({ day, cost_usd }) => [day, amount(cost_usd)])
  return [
    figure('month-sum', 'Spend of this month added up, and its forecast', chart, words),
    disclosure(
      'month-table',
      'Days of this month as a table',
      table('Spend by day of this month, UTC', ['Day', '#Cost'], rows),
    ),
  ]
}

function forecastWords({ month_end_usd, days_to_cap, anomaly }) {
  const lines = []
  if (month_end_usd) {
    const { p10, p50, p90 } = month_end_usd
    lines.push([
      'At the month’s end: ',
      amount(p50),
      ', with a chance of 80 % from ',
      amount(p10),
      ' to ',
      amount(p90),
      '.',
    ])
  }
  if (days_to_cap) lines.push(capWords(days_to_cap))
  if (anomaly) lines.push(['Out of the ordinary: ', named(anomaly), '.'])
  return lines.length === 0
    ? undefined
    : make(
        'ul',
        { id: 'forecast' },
        lines.map((line) => make('li', {}, line)),
      )
}

/** Says when the monthly budget is used up; what is absent is further away than is looked. */
function capWords({ p10, p50 }) {
  if (!isNumber(p10)) return 'The monthly budget lasts for 92 days with a chance of more than 90 %.'
  const usual = isNumber(p50) ? `in ${several(p50, 'day')}` : 'later than in 92 days'
  return `The monthly budget is used up in ${several(p10, 'day')} with a chance of 10 %, as likely as not ${usual}.`
}

function experimentsSection({ experiments }) {
  if (!experiments) return undefined
  if (experiments.length === 0) {
    return section(
      'experiments',
      'Experiments',
      quiet('None yet. start_experiment compares two ways of answering, as two models or two prompts.'),
    )
  }
  return section('experiments', 'Experiments', experiments.map(experiment))
}

function experiment({ name, status, metric, unit, verdict, why, control, comparisons }, place) {
  const word = wordsOf(unit)
  const against = (comparisons ?? []).map((comparison, arm) =>
    versus({ comparison, control, metric, word, id: `experiment-${place}-${arm}` }),
  )
  return make(
    'article',
    {},
    make('h3', {}, named(name)),
    make(
      'p',
      {},
      make('strong', { class: 'verdict' }, VERDICTS[verdict] ?? spoken(verdict)),
      ' ',
      make('span', { class: 'quiet' }, `${spoken(status)}, judged by ${METRICS[metric] ?? spoken(metric)}`),
    ),
    make('p', {}, named(why)),
    against,
  )
}

/** Shows one treatment against control: its effect with the interval, as it came to be. */
function versus({ comparison, control, metric, word, id }) {
  const { arm, effect, interval, verdict } = comparison
  const difference = (value) => exact(value, signed(value, word))
  const points = (comparison.points ?? [])
    .map(({ at, effect, low, high }) => ({ at: Date.parse(at), value: effect, low, high }))
    .filter((point) => Object.values(point).every(isNumber))
  const range = interval ? [', between ', difference(interval[0]), ' and ', difference(interval[1])] : ''
  const sum = isNumber(effect) ? [': ', difference(effect), range] : ': no outcomes to compare yet'
  const words = [
    named(arm),
    ' against ',
    named(control),
    `, difference in ${METRICS[metric] ?? spoken(metric)}`,
    sum,
    ` (${VERDICTS[verdict] ?? spoken(verdict)}).`,
  ]
  if (points.length < 2) return quiet(words)
  const rows = points.map(({ at, value, low, high }) => [
    minute(new Date(at).toISOString()),
    difference(value),
    difference(low),
    difference(high),
  ])
  const label = `Difference of ${arm} from ${control} over time, with its interval`
  return figure(
    id,
    label,
    (width) => intervals({ width, height: 170, points, word }),
    words,
    disclosure(`${id}-table`, 'The same as a table', table(label, ['At, UTC', '#Difference', '#From', '#To'], rows)),
  )
}
