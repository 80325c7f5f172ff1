import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { page, quoted } from './documents.ts'

interface Service {
  image: string
  container_name?: string
  command: string[]
  environment: Record<string, string>
  ports?: (string | { published: number | string })[]
  volumes?: string[]
  read_only?: boolean
  cap_drop?: string[]
  deploy?: { resources: { limits: { memory: string } } }
  depends_on?: Record<string, { condition: string }>
  healthcheck?: object
}

/** What Docker Compose makes of the file: it checks the schema of the Compose specification, and puts variables and anchors in their places. */
function config(env: Record<string, string> = {}): Record<string, Service> {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'docker-compose.yml'), page('docker-compose.yml'))
  const { PATH = '', HOME = '' } = process.env
  const printed = execFileSync('docker-compose', ['--profile', 'evaluation', 'config'], {
    cwd: folder,
    env: { PATH, HOME, ...env },
    encoding: 'utf8',
  })
  return parse(printed).services
}

test('Docker Compose takes the file, and what the service is promised is in it', () => {
  const services = config()
  const { 'stream-api': api, worker, evaluation, minio } = services
  for (const own of [api!, worker!]) {
    // In bytes, or as it was written, by the version of Compose.
    assert.match(own.deploy!.resources.limits.memory, /^(512M|536870912)$/)
    assert.equal(own.read_only, true)
    assert.deepEqual(own.cap_drop, ['ALL'])
    for (const name of ['postgres', 'redis']) assert.equal(own.depends_on![name]!.condition, 'service_healthy')
    assert.equal(own.depends_on!['bucket']!.condition, 'service_completed_successfully')
  }
  assert.equal(api!.container_name, 'stream-api')
  assert.deepEqual(
    [api!.command, worker!.command, evaluation!.command],
    [['serve'], ['worker'], ['npm', 'run', 'accept']],
  )
  assert.deepEqual(services['redis']!.command.slice(-2), ['--maxmemory-policy', 'noeviction'])
  assert.ok(minio!.volumes!.some((volume) => volume.startsWith('minio:')))
  for (const name of ['postgres', 'redis', 'minio']) assert.ok(services[name]!.healthcheck, name)

  const published = Object.values(services).flatMap(({ ports = [] }) => ports.map(String))
  assert.deepEqual(published.sort(), ['127.0.0.1:3002:3002/tcp', '127.0.0.1:9000:9000/tcp', '127.0.0.1:9001:9001/tcp'])
})

test('its variables are those that the service reads, and what is given from outside arrives', () => {
  const { 'stream-api': api, worker } = config({ SLUICE_API_KEYS: 'sha256:00', MINIO_ROOT_PASSWORD: 'other' })
  const documented = quoted(page('docs/reference/configuration.md'))
  const ofAws = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']
  for (const name of [...Object.keys(api!.environment), ...Object.keys(worker!.environment)]) {
    assert.ok(ofAws.includes(name) || documented.includes(name), `${name} is read by nobody`)
  }
  assert.equal(api!.environment['SLUICE_API_KEYS'], 'sha256:00')
  assert.equal(api!.environment['AWS_SECRET_ACCESS_KEY'], 'other')
})

test('what it builds is in the Dockerfile', () => {
  const stages = [...page('Dockerfile').matchAll(/^FROM \S+ AS (\w+)$/gm)].map(([, name]) => name!)
  const { services } = parse(page('docker-compose.yml'), { merge: true })
  assert.ok(stages.includes(services.evaluation.build.target))
})
