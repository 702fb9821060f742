import './home.css'
import { page } from '../shell/shell.tsx'
import { App } from './app.tsx'

page('home', App, { en: 'Pabal: messages to loaded pages', ko: 'Pabal 파발: 열려 있는 페이지로 보내는 메시지' })
