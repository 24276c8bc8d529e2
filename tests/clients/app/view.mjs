// The page in a frame of a host.

import { until } from '../supabase/checks.mjs'

export const LIGHT = { theme: 'light', styles: { variables: { '--color-background-primary': '#fdfdfd' } } }
export const DARK = { theme: 'dark', styles: { variables: { '--color-background-primary': '#101010' } } }

/** Opens the page in a host of some capabilities. `calls` are those that the page makes of the program. */
export async function open(browser, host, client, capabilities, hostContext) {
  const page = await browser.context.newPage()
  const calls = []
  const server = { isBroken: false, held: undefined }
  await page.clock.install()
  await page.exposeFunction('call_server', async (params) => {
    const made = { params }
    calls.push(made)
    if (server.isBroken) throw new Error('the program is away')
    const { held } = server
    const result = await client.callTool(params)
    await held
    made.result = result
    return result
  })
  await page.goto(host.address)
  const info = await page.evaluate((given) => window.open_view(...given), [capabilities, hostContext])
  const frame = page.frames().find((each) => each.url().endsWith('/view'))
  const send = (result) => page.evaluate((given) => window.send_result(given), result)
  return { page, frame, calls, server, send, info }
}

/** Waits until the page waits for nothing. */
export function settled(frame) {
  return until(() => frame.evaluate(() => document.getElementById('sections').ariaBusy !== 'true'))
}

/** Lets happen what is under way. */
export function pause() {
  return new Promise((resolve) => setTimeout(resolve, 300))
}

/** Takes a picture of the whole page: of a frame only what is in the window is drawn. */
export async function picture(page, path) {
  const { width, height } = page.viewportSize()
  const whole = await page.evaluate(() => document.documentElement.scrollHeight)
  await page.setViewportSize({ width, height: Math.max(height, whole) })
  await page.screenshot({ path })
  await page.setViewportSize({ width, height })
}
