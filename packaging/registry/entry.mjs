#!/usr/bin/env node
// Prints the registry's entry for a release: `entry.mjs OWNER/REPOSITORY BUNDLE`.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [repository, bundle] = process.argv.slice(2)
if (!/^[A-Za-z0-9-]+\/[A-Za-z0-9._-]+$/.test(repository ?? '') || !bundle) {
  console.error('error: hint: entry.mjs OWNER/REPOSITORY BUNDLE')
  process.exit(2)
}
const [owner] = repository.split('/')
const entry = JSON.parse(readFileSync(join(dirname(fileURLToPath(import.meta.url)), 'server.json'), 'utf8'))
const url = `https://github.com/${repository}`
const [packaged] = entry.packages
entry.name = entry.name.replace('OWNER', owner)
entry.repository = { url, source: 'github' }
packaged.identifier = `${url}/releases/download/v${entry.version}/${basename(bundle)}`
packaged.fileSha256 = createHash('sha256').update(readFileSync(bundle)).digest('hex')
console.log(JSON.stringify(entry, null, 2))
