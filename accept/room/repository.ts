/** What can only be seen in the files that are shipped. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

const ROOT = join(import.meta.dirname, '../..')

/** Places in the sources that read a whole file without saying, beside it, which small file of our own it is. */
export function wholeFileReads(): string[] {
  return globSync('packages/{engine,sluice}/src/**/*.ts', { cwd: ROOT }).filter((file) => {
    const lines = readFileSync(join(ROOT, file), 'utf8').split('\n')
    return lines.some((line, i) => /\breadFile(Sync)?\(/.test(line) && !/biome-ignore/.test(lines[i - 1] ?? ''))
  })
}

interface ComposeService {
  command?: string[]
  ports?: string[]
  volumes?: string[]
  deploy?: { resources?: { limits?: { memory?: string } } }
}

/** The services of docker-compose.yml by name; none where there is no such file, as in an installed package. */
export function composeServices(): Map<string, ComposeService> {
  const path = join(ROOT, 'docker-compose.yml')
  if (!existsSync(path)) return new Map()
  const { services } = parse(readFileSync(path, 'utf8'), { merge: true }) as {
    services: Record<string, ComposeService>
  }
  return new Map(Object.entries(services))
}

/** Whether the packages that ship depend on one of this name. */
export function dependsOn(name: string): boolean {
  return globSync('packages/{engine,sluice}/package.json', { cwd: ROOT }).some((file) => {
    const { dependencies = {} } = JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as { dependencies?: object }
    return name in dependencies
  })
}
