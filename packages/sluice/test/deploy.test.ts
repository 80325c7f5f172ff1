import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from 'kubernetes-models/apps/v1/Deployment'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { Service } from 'kubernetes-models/v1/Service'
import { ServiceAccount } from 'kubernetes-models/v1/ServiceAccount'
import { parseAllDocuments } from 'yaml'
import { page, quoted, section, tableRows } from './documents.ts'

const KINDS = { Deployment, HorizontalPodAutoscaler, PodDisruptionBudget, ConfigMap, Service, ServiceAccount }

// biome-ignore lint/suspicious/noExplicitAny: checked against the schemas of Kubernetes by the first test
type Manifest = any

const manifests: Manifest[] = parseAllDocuments(page('deploy/kubernetes/sluice.yaml')).map((one) => one.toJS())
const named = (kind: string, name: string) => manifests.find((one) => one.kind === kind && one.metadata.name === name)

test('every manifest is valid by the schema of Kubernetes', () => {
  assert.ok(manifests.length >= 7)
  for (const manifest of manifests) {
    const Kind = KINDS[manifest.kind as keyof typeof KINDS]
    assert.ok(Kind, `no schema for ${manifest.kind}`)
    new Kind(manifest).validate()
  }
  const broken = structuredClone(named('Deployment', 'sluice-worker'))
  broken.spec.template.spec.containers = 'none'
  assert.throws(() => new Deployment(broken).validate())
})

test('what they refer to is there', () => {
  const { selector, ports } = named('Service', 'sluice').spec
  const server = named('Deployment', 'sluice-server').spec
  assert.deepEqual(server.selector.matchLabels, selector)
  for (const name of ['sluice-server', 'sluice-worker']) {
    const { template, selector: own } = named('Deployment', name).spec
    assert.deepEqual(template.metadata.labels, own.matchLabels)
    const [container] = template.spec.containers
    const portNames = container.ports.map(({ name }: { name: string }) => name)
    for (const probe of ['startupProbe', 'livenessProbe']) assert.ok(portNames.includes(container[probe].httpGet.port))
    const volumes = template.spec.volumes.map(({ name }: { name: string }) => name)
    for (const mount of container.volumeMounts) assert.ok(volumes.includes(mount.name))
    assert.ok(named('ConfigMap', container.envFrom[0].configMapRef.name))
    assert.ok(named('ServiceAccount', template.spec.serviceAccountName))
    // Nobody's root, nothing to write but the mounts, and an end by memory before the machine's.
    assert.equal(template.spec.securityContext.runAsNonRoot, true)
    assert.equal(container.securityContext.readOnlyRootFilesystem, true)
    assert.equal(container.resources.limits.memory, '512Mi')
  }
  assert.ok(server.template.spec.containers[0].ports.some(({ name }: { name: string }) => name === ports[0].targetPort))
  const { scaleTargetRef, metrics } = named('HorizontalPodAutoscaler', 'sluice-worker').spec
  assert.ok(named(scaleTargetRef.kind, scaleTargetRef.name))
  const figures = tableRows(section(page('docs/operations.md'), '### Figures')).flatMap(([figure]) => quoted(figure!))
  assert.ok(figures.includes(metrics[0].external.metric.name))
})

test('its variables are those that the service reads', () => {
  const documented = quoted(page('docs/reference/configuration.md'))
  const given = manifests.flatMap((one) => [
    ...Object.keys(one.kind === 'ConfigMap' ? one.data : {}),
    ...(one.spec?.template?.spec.containers[0].env ?? []).map(({ name }: { name: string }) => name),
  ])
  const ofSecret = [...page('deploy/kubernetes/sluice.yaml').matchAll(/--from-literal=(\w+)=/g)].map(
    ([, name]) => name!,
  )
  for (const name of [...given, ...ofSecret]) assert.ok(documented.includes(name), `${name} is read by nobody`)
})
