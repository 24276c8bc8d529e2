'use strict'

// Numbers, money and moments in words. Numbers are written as in English, moments in UTC, as days are.

const DAY_MS = 86_400_000
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Says whether there is a number; JSON knows no other than finite ones. */
function isNumber(value) {
  return typeof value === 'number' && Number.isFinite(value)
}

/** Writes US$ with three digits that say something, so that little is never nothing: $0.000123; much is without cents. */
function money(usd) {
  if (usd === 0) return '$0'
  return `${usd < 0 ? '−' : ''}$${inDigits(Math.abs(usd), Math.abs(usd) < 10_000 ? 2 : 0)}`
}

/** Writes a number with three digits that say something, or more where it is large. */
function inDigits(amount, least) {
  const lead = amount > 0 ? Math.floor(Math.log10(amount)) : 0
  const most = Math.min(15, Math.max(least, 2 - lead))
  return amount.toLocaleString('en-US', { minimumFractionDigits: least, maximumFractionDigits: most })
}

function count(number) {
  return number.toLocaleString('en-US')
}

/** Writes a share, from 0 to 1, in percent. */
function percent(share) {
  const written = (share * 100).toLocaleString('en-US', { maximumFractionDigits: 2 })
  return `${written.replace('-', '−')} %`
}

/** Gives the function that writes amounts of a unit. */
function wordsOf(unit) {
  if (unit === 'US$') return money
  const after = unit ? ` ${unit}` : ''
  return (amount) => `${amount < 0 ? '−' : ''}${inDigits(Math.abs(amount), 0)}${after}`
}

/** Writes a difference, of which the sign is always shown. */
function signed(amount, word) {
  return amount > 0 ? `+${word(amount)}` : word(amount)
}

/** Writes how many there are of a thing: 1 request, 2 requests. */
function several(number, thing) {
  return `${count(number)} ${thing}${number === 1 ? '' : 's'}`
}

/** Writes a moment to the minute: 2026-11-26 08:16. */
function minute(moment) {
  const time = Date.parse(moment)
  return Number.isNaN(time) ? String(moment) : new Date(time).toISOString().slice(0, 16).replace('T', ' ')
}

/** Writes a moment of the same day by its time, another by its day. */
function recently(moment, now) {
  const [day, time] = minute(moment).split(' ')
  return day === minute(now).slice(0, 10) ? time : dayOf(midnight(day))
}

/** Writes the day of a time in milliseconds: 26 Nov. */
function dayOf(time) {
  const date = new Date(time)
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`
}

/** Gives when a day such as 2026-11-26 begins, in milliseconds. */
function midnight(day) {
  return Date.parse(`${String(day).slice(0, 10)}T00:00:00Z`)
}

/** Writes a name of the program, such as `cache_exact`, as words. */
function spoken(name) {
  return String(name).replaceAll('_', ' ')
}
