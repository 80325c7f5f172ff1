/** Programs of the operating system that tests and benchmarks call. */
import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, constants, globSync } from 'node:fs'
import { delimiter, join } from 'node:path'

let updated = false

/**
 * The path of a program, installed through apt-get where it is missing and that is possible.
 * Throws an Error whose message is the reason why it cannot be had.
 */
export function command(name: string, debianPackages: string | string[]): string {
  const packages = [debianPackages].flat()
  const found = find(name)
  if (found) return found
  if (!find('apt-get')) throw new Error(`${name} is not installed, and there is no apt-get to install it with`)
  if (process.getuid?.() !== 0) throw new Error(`${name} is not installed: run apt-get install ${packages.join(' ')}`)
  console.log(`installing ${packages.join(', ')} for ${name} …`)
  if (!updated) aptGet('update')
  updated = true
  aptGet('install', '--yes', '--no-install-recommends', ...packages)
  const installed = find(name)
  if (!installed) throw new Error(`${packages.join(', ')} was installed, but without a program ${name}`)
  return installed
}

/** The first line that a program prints about its version. */
export function version(path: string): string {
  return execFileSync(path, ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? ''
}

function find(name: string): string | undefined {
  // Debian keeps a server's own programs, such as initdb, out of PATH; the newest version wins.
  const servers = globSync('/usr/lib/postgresql/*/bin').sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...servers]
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function aptGet(...args: string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stdout, stderr } = spawnSync('apt-get', ['--quiet', ...args], { env, encoding: 'utf8' })
  if (status !== 0)
    throw new Error(`apt-get ${args.join(' ')} failed:\n${(stdout + stderr).trim().split('\n').slice(-5).join('\n')}`)
}
