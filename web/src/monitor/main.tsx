import './monitor.css'
import './sparkline.css'
import { page } from '../shell/shell.tsx'
import { App } from './app.tsx'

page('monitor', App, { en: 'Monitor', ko: '모니터' })
