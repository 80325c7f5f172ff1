import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import './style/base.css'
import './style/controls.css'
import './style/parts.css'
import './style/start.css'
import './style/import.css'
import './style/watch.css'
import './style/result.css'
import './style/jobs.css'
import './style/narrow.css'

createRoot(document.querySelector('#page')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
