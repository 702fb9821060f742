import{a,b}from"./chunk-DDZZGHD6.mjs";import"./chunk-NJETVZAS.mjs";import"./chunk-WTHDG5OJ.mjs";export{a as join,b as serve};
