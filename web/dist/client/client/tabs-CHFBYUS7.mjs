import{a,b}from"./chunk-WUPIR4QL.mjs";import"./chunk-NJETVZAS.mjs";import"./chunk-EW23ZSUO.mjs";export{a as join,b as serve};
