/**
 * `npm run release -- 0.2.0`: puts a version into all packages, into what they say of each other, into the lock file and the example
 * for Kubernetes, and gives the unreleased part of the changelog its name and date. It commits and publishes nothing: it prints what is
 * to be done then. `--root` is for its test.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const PACKAGES = ['engine', 'sluice', 'web']

const { values, positionals } = parseArgs({
  options: { root: { type: 'string', default: join(import.meta.dirname, '..') } },
  allowPositionals: true,
})
const { root } = values
const [version = ''] = positionals
if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) fail('usage: npm run release -- 1.2.3')

const changelog = read('CHANGELOG.md')
const [heading] =
  /^## \[Unreleased\].*$/m.exec(changelog) ?? fail('CHANGELOG.md has no part [Unreleased]: nothing to release')
if (changelog.includes(`## [${version}]`)) fail(`CHANGELOG.md has a part [${version}] already`)
const before = JSON.parse(read('packages/engine/package.json')).version as string

const today = new Date().toISOString().slice(0, 10)
write('CHANGELOG.md', changelog.replace(heading!, `## [Unreleased]\n\n## [${version}] ${today}`))
for (const name of PACKAGES) edit(`packages/${name}/package.json`, (one) => setVersion(one))
edit('package-lock.json', ({ packages }) => {
  for (const name of PACKAGES) setVersion(packages[`packages/${name}`])
})
const manifest = 'deploy/kubernetes/sluice.yaml'
write(manifest, read(manifest).replaceAll(/image: sluice:\S+/g, `image: sluice:${version}`))

console.log(`${before} → ${version}. Look at the difference, then:

  .ci/run
  npm audit --omit=dev
  git commit -am "Release ${version}" && git tag v${version} && git push --follow-tags
  npm publish --access public -w packages/engine && npm publish -w packages/sluice
  docker build -t sluice:${version} .`)

// biome-ignore lint/suspicious/noExplicitAny: a package.json, or a part of the lock file
function setVersion(one: any): void {
  one.version = version
  if (one.dependencies?.['@sluice/engine']) one.dependencies['@sluice/engine'] = version
}

// biome-ignore lint/suspicious/noExplicitAny: as above
function edit(path: string, change: (json: any) => void): void {
  const json = JSON.parse(read(path))
  change(json)
  write(path, `${JSON.stringify(json, null, 2)}\n`)
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

function write(path: string, text: string): void {
  writeFileSync(join(root, path), text)
}

function fail(reason: string): never {
  console.error(reason)
  process.exit(2)
}
