import type { State } from '../api.ts'
import { texts } from '../texts.ts'

export function StateBadge({ state }: { state: State | 'paused' | 'retrying' }) {
  return (
    <span className={`badge ${state}`}>
      <span className="badge-dot" aria-hidden="true" />
      {texts.states[state]}
    </span>
  )
}
