// Counts claims, brings the stack up and waits for things.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

let failed = 0

export function check(claim, isTrue, found) {
  if (isTrue) {
    console.log(`ok - ${claim}`)
  } else {
    failed += 1
    console.log(`not ok - ${claim}: ${JSON.stringify(found)}`)
  }
}

export function finish() {
  process.exit(failed === 0 ? 0 : 1)
}

/** Starts a stack; resolves to what it says of itself, with a function that ends it. */
export async function start(program, ...options) {
  const child = spawn(program, options, { stdio: ['pipe', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) {
    return { ...JSON.parse(line), end: () => child.stdin.end() }
  }
  throw new Error('the stack did not start')
}

/** Waits until something is so, at most some seconds. */
export async function until(isSo, seconds = 10) {
  const end = Date.now() + seconds * 1000
  while (Date.now() < end) {
    if (await isSo()) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}
