import{a,b}from"./chunk-PWUEUCBE.mjs";import"./chunk-NJETVZAS.mjs";import"./chunk-H2YOOJMS.mjs";export{a as join,b as serve};
