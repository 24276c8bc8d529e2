// Charts over time as SVG. Each is drawn anew where its figure gets wider or narrower, so that letters keep their size.

const LETTER_PX = 6.6
const LINE_PX = 18
const MINUTE_MS = 60_000
// Of each unit, how many there may be from one label to the next.
const TIME_STEPS = {
  [1_000]: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600],
  [MINUTE_MS]: [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880],
  [DAY_MS]: [1, 2, 7, 14, 28, 91, 182, 364, 728, 3_640, 36_400],
}

// Figures on the page, each with the function that draws it at a width.
const drawings = new Map()

/** Makes a figure; below it is what it shows, in words, for whoever does not see it. */
function figure(id, label, drawAt, words, ...others) {
  const caption = make('p', { id: `${id}-words`, class: 'quiet' }, words)
  const element = make('figure', { id }, caption, others)
  drawings.set(element, (width) => {
    const svg = drawAt(width)
    for (const [attribute, value] of Object.entries({
      role: 'img',
      'aria-label': plain(label),
      'aria-describedby': caption.id,
    })) {
      svg.setAttribute(attribute, value)
    }
    return svg
  })
  return element
}

/** Draws the figures that are on the page at the width they have. */
function drawFigures() {
  for (const [element, drawAt] of drawings) {
    if (!element.isConnected) {
      drawings.delete(element)
    } else if (element.clientWidth > 0) {
      element.querySelector('svg')?.remove()
      element.prepend(drawAt(element.clientWidth))
    }
  }
}

/**
 * Gives the frame of a chart: its SVG with axes, and where an instant and a value lie in it.
 *
 * `times` and `values` are the ends of the axes; `word` writes a value. The value axis is extended to round values.
 * The label of a time is that much after it.
 */
function framed({ width, height, times, values, word, labelAfter_ms = 0 }) {
  const steps = roundSteps(...values, Math.max(2, Math.floor(height / 45)))
  const [low, high] = [steps[0], steps.at(-1)]
  const labels = steps.map(word)
  const left = Math.ceil(Math.max(...labels.map((label) => label.length)) * LETTER_PX) + 8
  const inside = { left, right: width - 8, top: 8, bottom: height - LINE_PX - 4 }
  const [begin, end] = times
  const x = (time) => inside.left + ((time - begin) / (end - begin || 1)) * (inside.right - inside.left)
  const y = (value) => {
    const kept = Math.min(high, Math.max(low, value))
    return inside.bottom - ((kept - low) / (high - low)) * (inside.bottom - inside.top)
  }
  const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, width, height })
  steps.forEach((step, place) => {
    const kind = step === 0 ? 'axis' : 'grid'
    svg.append(
      draw('line', { class: kind, x1: inside.left, x2: inside.right, y1: y(step), y2: y(step) }),
      draw('text', { x: inside.left - 6, y: y(step) + 4, 'text-anchor': 'end' }, labels[place]),
    )
  })
  svg.append(...timeLabels(times, (time) => x(time + labelAfter_ms), inside, labelAfter_ms))
  return { svg, x, y, inside, low, high }
}

/** Gives round values that reach from at most `low` to at least `high`, about as many as wished. */
function roundSteps(low, high, wished) {
  const span = high - low || Math.abs(high) || 1
  const rough = span / wished
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999)
  const first = Math.floor(low / step + 1e-9)
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9))
  // A multiple that is off by the last bit would be written with all its digits.
  return Array.from({ length: last - first + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)))
}

/** Gives the unit of time of labels, and how they are written. */
function timeForm(span) {
  const time = (end) => (moment) => new Date(moment).toISOString().slice(11, end)
  if (span < 10 * MINUTE_MS) return [1_000, time(19)]
  if (span < 2 * DAY_MS) return [MINUTE_MS, time(16)]
  if (span < 300 * DAY_MS) return [DAY_MS, dayOf]
  return [DAY_MS, (moment) => new Date(moment).toISOString().slice(0, 10)]
}

/** Gives labels at round times, as many as there is room for. */
function timeLabels([begin, end], x, inside, labelAfter_ms) {
  const span = end - begin
  const [unit, word] = timeForm(span)
  const room = Math.max(1, Math.floor((inside.right - inside.left) / (word(begin).length * LETTER_PX + 24)))
  const step = TIME_STEPS[unit].find((step) => span / (step * unit) <= room) * unit
  // Days are counted from the first one that is shown, hours from midnight.
  const from = unit === DAY_MS ? unit : step
  const first = Math.ceil(begin / from) * from
  const times = []
  for (let time = first; time + labelAfter_ms <= end; time += step) times.push(time)
  return (times.length > 0 ? times : [end]).map((time) => {
    const half = (word(time).length * LETTER_PX) / 2
    const middle = Math.min(inside.right - half, Math.max(inside.left + half, x(time)))
    return draw('text', { x: middle, y: inside.bottom + LINE_PX, 'text-anchor': 'middle' }, word(time))
  })
}

/** Draws a bar a day, upwards or, where a value is negative, downwards. */
function dayBars({ width, height, days, times, kind, word }) {
  const values = days.map((day) => day.value)
  const frame = framed({
    width,
    height,
    times,
    values: [Math.min(0, ...values), Math.max(0, ...values)],
    word,
    labelAfter_ms: DAY_MS / 2,
  })
  const slot = frame.x(times[0] + DAY_MS) - frame.x(times[0])
  const thick = Math.max(1, Math.min(36, slot * 0.72))
  for (const { at, value } of days) {
    const [top, bottom] = [frame.y(Math.max(0, value)), frame.y(Math.min(0, value))]
    // What is above nothing can be seen, however little it is.
    const tall = value === 0 ? 0 : Math.max(1.5, bottom - top)
    frame.svg.append(
      draw(
        'rect',
        {
          class: value < 0 ? 'worse' : kind,
          x: frame.x(at + DAY_MS / 2) - thick / 2,
          y: value < 0 ? top : bottom - tall,
          width: thick,
          height: tall,
        },
        draw('title', {}, `${dayOf(at)}: ${word(value)}`),
      ),
    )
  }
  return frame.svg
}

/**
 * Draws a sum that grows, and on from its last point how it is expected to go on.
 *
 * `band` is {at, low, middle, high}, or absent; so is `limit`, a line that the sum should stay below.
 */
function growth({ width, height, points, times, band, limit, word }) {
  const last = points.at(-1)
  const highest = Math.max(last.value, band?.high ?? 0, limit ?? 0)
  const frame = framed({ width, height, times, values: [0, highest || 0.01], word })
  const { svg, x, y } = frame
  const at = ({ at, value }) => `${x(at)},${y(value)}`
  const ground = ({ at }) => `${x(at)},${y(0)}`
  svg.append(draw('polygon', { class: 'sum', points: [ground(points[0]), ...points.map(at), ground(last)].join(' ') }))
  if (band) {
    const ends = [
      { at: band.at, value: band.high },
      { at: band.at, value: band.low },
    ]
    const title = draw('title', {}, `${word(band.low)} to ${word(band.high)} on ${dayOf(band.at)}`)
    svg.append(
      draw('polygon', { class: 'band', points: [last, ...ends].map(at).join(' ') }, title),
      line([last, { at: band.at, value: band.middle }], at, 'expected'),
    )
  }
  if (limit !== undefined) {
    const ends = times.map((time) => ({ at: time, value: limit }))
    svg.append(line(ends, at, 'limit'), lineLabel(frame, limit, `limit ${word(limit)}`))
  }
  svg.append(line(points, at, 'spent'), dot(last, frame, `${word(last.value)} so far`))
  return svg
}

/** Draws a value with its interval over time, and the line of nothing. `points` are {at, value, low, high}. */
function intervals({ width, height, points, word }) {
  const times = [points[0].at, points.at(-1).at]
  const frame = framed({ width, height, times, values: intervalRange(points), word })
  const { svg, x, y } = frame
  const at = ({ at, value }) => `${x(at)},${y(value)}`
  const above = points.map((point) => `${x(point.at)},${y(point.high)}`)
  const below = points.map((point) => `${x(point.at)},${y(point.low)}`).reverse()
  const none = times.map((time) => ({ at: time, value: 0 }))
  const last = points.at(-1)
  svg.append(
    draw('polygon', { class: 'band', points: [...above, ...below].join(' ') }),
    line(none, at, 'zero'),
    lineLabel(frame, 0, 'no difference'),
    line(points, at, 'effect'),
    dot(last, frame, `${word(last.value)}, between ${word(last.low)} and ${word(last.high)}`),
  )
  return svg
}

/** Gives the values to show: all of the later half, as the first intervals are so wide that they would hide it. */
function intervalRange(points) {
  const later = points.slice(Math.floor(points.length / 2))
  const ends = later.flatMap(({ value, low, high }) => [value, low, high])
  return [Math.min(0, ...ends), Math.max(0, ...ends)]
}

function line(points, at, kind) {
  return draw('polyline', { class: kind, points: points.map(at).join(' ') })
}

function lineLabel({ y, inside }, value, text) {
  const above = y(value) - 5
  return draw(
    'text',
    { class: 'label', x: inside.right, y: above < 12 ? above + 17 : above, 'text-anchor': 'end' },
    text,
  )
}

function dot({ at, value }, { x, y }, title) {
  return draw('circle', { class: 'dot', cx: x(at), cy: y(value), r: 4 }, draw('title', {}, title))
}
