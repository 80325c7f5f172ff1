import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { ROOT } from './documents.ts'

const FILES = [
  'CHANGELOG.md',
  'package-lock.json',
  'deploy/kubernetes/sluice.yaml',
  ...['engine', 'sluice', 'web'].map((name) => `packages/${name}/package.json`),
]

test('a release puts one version everywhere, and names the part of the changelog', () => {
  const root = temporaryFolder()
  for (const path of FILES) cpSync(join(ROOT, path), join(root, path), { recursive: true })
  const release = (...words: string[]) =>
    spawnSync(process.execPath, [join(ROOT, 'scripts/release.ts'), '--root', root, ...words], { encoding: 'utf8' })
  const text = (path: string) => readFileSync(join(root, path), 'utf8')
  const unreleased = /^## \[Unreleased\].*\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(text('CHANGELOG.md'))![1]!

  for (const wrong of ['', 'v1.2.3', '1.2']) assert.equal(release(wrong).status, 2)
  const { status, stdout } = release('7.8.9')
  assert.equal(status, 0)
  assert.match(stdout, /→ 7\.8\.9/)
  const lock = JSON.parse(text('package-lock.json'))
  for (const name of ['engine', 'sluice', 'web']) {
    assert.equal(JSON.parse(text(`packages/${name}/package.json`)).version, '7.8.9')
    assert.equal(lock.packages[`packages/${name}`].version, '7.8.9')
  }
  assert.equal(JSON.parse(text('packages/sluice/package.json')).dependencies['@sluice/engine'], '7.8.9')
  assert.equal(lock.packages['packages/sluice'].dependencies['@sluice/engine'], '7.8.9')
  assert.match(text('deploy/kubernetes/sluice.yaml'), /image: sluice:7\.8\.9/)
  const changelog = text('CHANGELOG.md')
  assert.match(changelog, /^## \[Unreleased\]\n\n## \[7\.8\.9\] \d{4}-\d\d-\d\d\n/m)
  assert.ok(changelog.includes(unreleased))
  // The form of everything else stays.
  assert.equal(
    text('package-lock.json').split('\n').length,
    readFileSync(join(ROOT, 'package-lock.json'), 'utf8').split('\n').length,
  )
  assert.equal(release('7.8.9').status, 2)
})
