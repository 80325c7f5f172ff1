import { useEffect, useState } from 'react'
import { listProfiles } from '../api.ts'
import { texts } from '../texts.ts'
import { KeyChoice } from './key-choice.tsx'
import type { Column, Target } from './plan.ts'

const POLICIES = ['reject', 'skip', 'update'] as const
const DEDUPES = ['none', 'key', 'content', 'content:count'] as const

/** Where the rows go, and by which rules. */
export function TargetForm({ target, columns, set, saveProfile }: TargetProps) {
  const { target: words } = texts
  const taken = columns.filter(({ take }) => take)
  const hasKey = target.key.length > 0
  const profiles = useProfiles()
  return (
    <section className="panel target">
      <h2>{words.title}</h2>
      {profiles.length > 0 && (
        <label className="field">
          <span>{words.profile}</span>
          <select value={target.profile} onChange={(event) => set({ profile: event.target.value, table: '' })}>
            <option value="">{words.noProfile}</option>
            {profiles.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
          <small>{words.profileHint}</small>
        </label>
      )}
      <label className="field">
        <span>{words.table}</span>
        <input
          className="input strong"
          value={target.table}
          placeholder={target.profile === '' ? '' : words.tableOfProfile}
          aria-describedby="table-hint"
          onChange={(event) => set({ table: event.target.value })}
        />
        <small id="table-hint" className={target.table.trim() === '' && target.profile === '' ? 'bad' : ''}>
          {target.table.trim() === '' && target.profile === '' ? words.tableNeeded : words.tableHint}
        </small>
      </label>
      <KeyChoice columns={taken} chosen={target.key} choose={(key) => set({ key })} />
      {hasKey && (
        <label className="field">
          <span>{words.duplicates}</span>
          <select
            value={target.onConflict}
            onChange={(event) => set({ onConflict: event.target.value as Target['onConflict'] })}
          >
            {POLICIES.map((policy) => (
              <option key={policy} value={policy}>
                {words.policies[policy]}
              </option>
            ))}
          </select>
        </label>
      )}
      <details>
        <summary>{words.more}</summary>
        <label className="field">
          <span>{words.dedupe}</span>
          <select value={target.dedupe} onChange={(event) => set({ dedupe: event.target.value as Target['dedupe'] })}>
            {DEDUPES.map((one) => (
              <option key={one} value={one} disabled={one === 'key' && !hasKey}>
                {words.dedupes[one]}
              </option>
            ))}
          </select>
        </label>
        <label className="field">
          <span>{words.maxErrors}</span>
          <input
            className="input"
            value={target.maxErrors}
            onChange={(event) => set({ maxErrors: event.target.value })}
          />
          <small>{words.maxErrorsHint}</small>
        </label>
        <label className="check">
          <input type="checkbox" checked={target.atomic} onChange={(event) => set({ atomic: event.target.checked })} />
          <span>{words.atomic}</span>
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={target.replace}
            onChange={(event) => set({ replace: event.target.checked })}
          />
          <span>
            {words.replace} <small>{words.replaceHint}</small>
          </span>
        </label>
        <button type="button" className="button quiet" onClick={saveProfile}>
          {words.save}
        </button>
        <p className="hint">{words.saveHint}</p>
      </details>
    </section>
  )
}

/** The names that the server has; none where it cannot be asked, as they are a comfort only. */
function useProfiles(): string[] {
  const [profiles, setProfiles] = useState<string[]>([])
  useEffect(() => {
    listProfiles().then(
      (answer) => setProfiles(answer.profiles),
      () => undefined,
    )
  }, [])
  return profiles
}

interface TargetProps {
  target: Target
  columns: Column[]
  set: (part: Partial<Target>) => void
  saveProfile: () => void
}
