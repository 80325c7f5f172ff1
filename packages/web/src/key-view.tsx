import { useState } from 'react'
import { apiKey } from './api.ts'
import { texts } from './texts.ts'

/** Asked when the server wants a key. */
export function KeyView({ enter }: { enter: (key: string) => void }) {
  const [key, setKey] = useState('')
  const wrong = apiKey.get() !== ''
  return (
    <form
      className="key panel"
      onSubmit={(event) => {
        event.preventDefault()
        if (key.trim() !== '') enter(key.trim())
      }}
    >
      <h1>{texts.key.title}</h1>
      <p className="hint">{texts.key.lead}</p>
      <label className="field">
        <span>{texts.key.label}</span>
        <input
          className="input"
          type="password"
          autoComplete="off"
          value={key}
          aria-invalid={wrong}
          aria-describedby="key-wrong"
          onChange={(event) => setKey(event.target.value)}
        />
        <small id="key-wrong" className="bad" role="status">
          {wrong ? texts.key.wrong : ''}
        </small>
      </label>
      <button type="submit" className="button primary large wide">
        {texts.key.enter}
      </button>
    </form>
  )
}
