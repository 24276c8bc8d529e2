#!/usr/bin/env node
// Makes the bundle: `build.mjs OUT.mcpb FOLDER_OF_NODE_MODULES PLATFORM=PROGRAM…`, PLATFORM being linux, darwin or win32.
//
// The folder has @anthropic-ai/mcpb in its node_modules. A bundle has no programs by processor: the one for macOS should
// be universal. The manifest offers the platforms that are given, and no others.

import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const own = dirname(fileURLToPath(import.meta.url))

/** Leaves out of a manifest what it says about platforms that a bundle has no program for. */
export function manifestFor(manifest, platforms) {
  const { server, compatibility, ...rest } = structuredClone(manifest)
  const config = server.mcp_config
  const commands = { linux: config.command }
  for (const [platform, { command }] of Object.entries(config.platform_overrides)) commands[platform] = command
  for (const platform of platforms) {
    if (!commands[platform]) throw new Error(`${platform} is no platform; accepted: ${Object.keys(commands).join(', ')}`)
  }
  const [first, ...others] = Object.keys(commands).filter((platform) => platforms.includes(platform))
  if (!first) throw new Error('a bundle needs a program; hint: linux=PATH')
  config.command = commands[first]
  config.platform_overrides = Object.fromEntries(others.map((platform) => [platform, { command: commands[platform] }]))
  if (others.length === 0) delete config.platform_overrides
  server.entry_point = inside(commands[first])
  const offered = compatibility.platforms.filter((platform) => platforms.includes(platform))
  return { ...rest, server, compatibility: { ...compatibility, platforms: offered } }
}

/** Gives the place in the bundle that a command names. */
function inside(command) {
  return command.replace('${__dirname}/', '')
}

/** Gives the place of each platform's program in the bundle. */
export function places({ server }) {
  const { command, platform_overrides } = server.mcp_config
  const overrides = Object.entries(platform_overrides ?? {})
  return { linux: inside(command), ...Object.fromEntries(overrides.map(([name, { command }]) => [name, inside(command)])) }
}

/** Runs a command of mcpb, and gives its exit code and output. */
export function mcpb(modules, ...words) {
  const program = resolve(modules, 'node_modules', '@anthropic-ai', 'mcpb', 'dist', 'cli', 'cli.js')
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], { encoding: 'utf8' })
  return { status, output: `${stdout}${stderr}` }
}

/** Packs programs by platform; gives the manifest that is in the bundle. */
export function build(out, modules, programs) {
  const whole = JSON.parse(readFileSync(join(own, 'manifest.json'), 'utf8'))
  const manifest = manifestFor(whole, Object.keys(programs))
  const folder = mkdtempSync(join(tmpdir(), 'mcpb-'))
  try {
    for (const [platform, program] of Object.entries(programs)) {
      const target = join(folder, places(whole)[platform])
      mkdirSync(dirname(target), { recursive: true })
      copyFileSync(program, target)
      chmodSync(target, 0o755)
    }
    copyFileSync(join(own, 'icon.png'), join(folder, 'icon.png'))
    copyFileSync(join(own, '..', '..', 'LICENSE'), join(folder, 'LICENSE'))
    writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`)
    for (const words of [['validate', join(folder, 'manifest.json')], ['pack', folder, resolve(out)]]) {
      const { status, output } = mcpb(modules, ...words)
      if (status !== 0) throw new Error(`mcpb ${words[0]} ended with ${status}:\n${output}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return manifest
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [out, modules, ...pairs] = process.argv.slice(2)
  const programs = Object.fromEntries(pairs.map((pair) => [pair.split('=')[0], pair.slice(pair.indexOf('=') + 1)]))
  try {
    const { version, compatibility } = build(out, modules, programs)
    console.log(`${out}: ${version}, for ${compatibility.platforms.join(', ')}`)
  } catch (error) {
    console.error(`error: ${error.message}`)
    process.exit(2)
  }
}
