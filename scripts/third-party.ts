/**
 * `npm run third-party`: writes docs/third-party.md, the packages that are installed with ours or built into the page, with their
 * licences, from package-lock.json. A test holds the page to the lock file, and the licences to those that are known to do no harm.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')

interface Locked {
  version?: string
  license?: string
  link?: boolean
  resolved?: string
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
  peerDependenciesMeta?: Record<string, { optional?: boolean }>
}

export interface Part {
  name: string
  version: string
  license: string
  /** `engine`, `sluice`, `page`. */
  in: string[]
}

/** Licences that ask for no more than to be named. */
export const ALLOWED = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'OFL-1.1',
  'BlueOak-1.0.0',
  'Unlicense',
  'MIT-0',
  'CC0-1.0',
]

/** What the lock file does not have, because the package tells it elsewhere. */
const TOLD_ELSEWHERE: Record<string, string> = {
  'combine-errors': 'MIT', // in its Readme.md
  'xmlhttprequest-ssl': 'MIT', // in `licenses` of its package.json
  '@msgpackr-extract': 'MIT', // as its package for the platform at hand; the lock file was completed without the others
}

/** Sorted by name, then by version. @throws Error for a package that does not tell its licence */
export function parts(): Part[] {
  const lock: { packages: Record<string, Locked> } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  const found = new Map<string, Part>()
  for (const [where, path, names] of [
    ['engine', 'packages/engine', undefined],
    ['sluice', 'packages/sluice', undefined],
    ['page', 'packages/web', importsOfPage()],
  ] as const) {
    for (const at of closure(lock.packages, path, names)) {
      const name = at.slice(at.lastIndexOf('node_modules/') + 'node_modules/'.length)
      const { version = '', license = TOLD_ELSEWHERE[name] ?? TOLD_ELSEWHERE[name.split('/')[0]!] } = lock.packages[at]!
      if (license === undefined) throw new Error(`${at} does not tell its licence`)
      const key = `${name} ${version}`
      const part = found.get(key) ?? { name, version, license, in: [] }
      if (!part.in.includes(where)) part.in.push(where)
      found.set(key, part)
    }
  }
  return [...found.values()].sort((a, b) =>
    a.name === b.name ? a.version.localeCompare(b.version) : a.name < b.name ? -1 : 1,
  )
}

/** The page brings its tools as dependencies, too; built into it is what it imports. */
function importsOfPage(): string[] {
  const files = globSync('packages/web/src/**/*.{ts,tsx,css}', { cwd: ROOT })
  const names = files.flatMap((file) =>
    [...readFileSync(join(ROOT, file), 'utf8').matchAll(/(?:from |import |url\()['"]((?:@[\w-]+\/)?[\w][\w.-]*)/g)].map(
      ([, name]) => name!,
    ),
  )
  return [...new Set(names)]
}

/** Where all packages are that one needs at run time, those of other platforms too. */
function closure(packages: Record<string, Locked>, from: string, names?: readonly string[]): Set<string> {
  const seen = new Set<string>()
  const visit = (owner: string, wanted: string[]) => {
    for (const name of wanted) {
      const at = resolve(packages, owner, name)
      if (at === undefined) continue
      const one = packages[at]!
      if (one.link) visit(one.resolved!, needsOf(packages[one.resolved!]!))
      else if (!seen.has(at)) {
        seen.add(at)
        visit(at, needsOf(one))
      }
    }
  }
  visit(from, names ? [...names] : needsOf(packages[from]!))
  return seen
}

function needsOf({
  dependencies,
  optionalDependencies,
  peerDependencies,
  peerDependenciesMeta = {},
}: Locked): string[] {
  const peers = Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta[name]?.optional)
  return [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers]
}

/** As Node looks for it: in the owner's own folder, then further up. Undefined: an optional one that is nowhere. */
function resolve(packages: Record<string, Locked>, owner: string, name: string): string | undefined {
  for (let folder = owner; ; folder = folder.replace(/(^|\/)[^/]*$/, '')) {
    if (!folder.endsWith('node_modules')) {
      const at = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`
      if (packages[at]) return at
    }
    if (folder === '') return undefined
  }
}

export function text(): string {
  const all = parts()
  const licenses = Map.groupBy(all, ({ license }) => license)
  const counts = [...licenses]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([license, some]) => `${license} (${some.length})`)
  const rows = all.map((one) => `| ${one.name} | ${one.version} | ${one.license} | ${one.in.join(', ')} |`)
  return `# Third-party packages
What is installed with \`@sluice/engine\` and \`sluice\`, those for other platforms included, and what is built into the page. Made by \`npm run third-party\` from \`package-lock.json\`; each package brings the text of its licence, the page those of its own in \`page/assets\`.

${all.length} packages: ${counts.join(', ')}.

| package | version | licence | in |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}

if (import.meta.main) writeFileSync(join(ROOT, 'docs/third-party.md'), text())
