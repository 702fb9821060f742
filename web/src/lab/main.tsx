import { page } from '../shell/shell.tsx'
import { App } from './app.tsx'
import './lab.css'
import './lanes.css'
import './verdict.css'

page('lab', App, { en: 'Lab', ko: '실험실' })
