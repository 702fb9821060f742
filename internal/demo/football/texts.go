package football

// texts are what is said of each kind of play; one of them is chosen.
var texts = map[Kind][]Text{
	Welcome: {
		{"Good evening from the Haesong ground. The teams are out, and the stands are full.", "안녕하십니까, 해송 구장입니다. 양 팀 선수들이 나왔고 관중석은 가득 찼습니다."},
		{"Welcome. A cool, dry evening in Haesong, and the grass has just been watered.", "어서 오십시오. 선선하고 맑은 해송의 저녁, 잔디에는 막 물을 뿌렸습니다."},
	},
	Kickoff: {
		{"The referee looks at both keepers, and we are off. {t} kick off.", "주심이 양 팀 골키퍼를 확인하고, 경기 시작합니다. {t}의 선축입니다."},
		{"And it begins. {t} play the ball back to their defenders.", "시작됐습니다. {t:이/가} 수비진으로 공을 돌립니다."},
	},
	Passage: {
		{"{t} keep the ball. No hurry for now.", "{t:이/가} 공을 돌립니다. 서두르지 않습니다."},
		{"{p} looks for someone in front and finds nobody. Back to the keeper.", "{p:이/가} 앞을 보지만 줄 곳이 없습니다. 골키퍼에게 돌립니다."},
		{"A long ball out of the defence, too long for everyone. Throw-in.", "수비에서 길게 찼지만 너무 깁니다. 스로인입니다."},
		{"Much fighting in midfield. {t} win it, lose it, win it again.", "중원 싸움이 치열합니다. {t:이/가} 뺏고, 잃고, 다시 뺏습니다."},
		{"{p} switches play with one pass of fifty metres.", "{p}, 50미터 패스 한 번으로 방향을 바꿉니다."},
	},
	Colour: {
		{"The {t} supporters have found a new song, and do not let go of it.", "{t} 응원단이 새 노래를 찾았습니다. 그칠 줄을 모릅니다."},
		{"A dog is on the pitch. It is faster than the two stewards behind it.", "운동장에 개가 들어왔습니다. 뒤쫓는 안전요원 둘보다 빠릅니다."},
		{"The wind freshens. It blows towards the {o} goal.", "바람이 강해집니다. {o} 골대 쪽으로 붑니다."},
		{"The {t} coach stands at the very edge of the area and waves everyone forward.", "{t} 감독이 기술 지역 끝까지 나와 올라가라고 손짓합니다."},
		{"The floodlights flicker once, and stay on.", "조명이 한 번 깜빡이더니 다시 밝게 켜집니다."},
	},
	Attack: {
		{"{p} goes past one man on the left, past another, and looks up.", "{p}, 왼쪽에서 한 명을 제치고 또 한 명을 제칩니다. 고개를 듭니다."},
		{"{q} sends {p} away behind the defence.", "{q:이/가} 수비 뒤로 {p:을/를} 보냅니다."},
		{"{t} come quickly now: three against three.", "{t}의 빠른 역습입니다. 셋 대 셋!"},
		{"A fine one-two of {p} and {q} at the edge of the box.", "페널티 구역 앞에서 {p:과/와} {q}의 이대일 패스, 훌륭합니다."},
		{"{q} crosses from the right. {p} is there.", "{q}, 오른쪽에서 올립니다. {p:이/가} 기다립니다."},
	},
	Shot: {
		{"{p} shoots from twenty metres. A metre wide.", "{p}, 20미터 거리에서 슛! 1미터 차이로 빗나갑니다."},
		{"{p} leans back, and the ball is in the stands.", "{p}의 몸이 뒤로 젖혀졌습니다. 공은 관중석으로."},
		{"Header by {p}. Over the bar.", "{p}의 헤더. 골대를 넘깁니다."},
		{"{p} bends it with the left foot. Just past the post.", "{p:이/가} 왼발로 감아 찹니다. 살짝 벗어납니다."},
	},
	Save: {
		{"Low and hard by {p}. The keeper has it, at the second attempt.", "{p}의 낮고 강한 슛. 골키퍼가 두 번 만에 잡아냅니다."},
		{"What a save! {q} gets a hand to {p}'s shot.", "엄청난 선방! {q:이/가} {p}의 슛을 손끝으로 막아냅니다."},
		{"{p} is alone before {q}, and {q} stays on his feet. Saved.", "{p}, {q:과/와} 일대일! {q:이/가} 끝까지 버팁니다. 막았습니다."},
	},
	Block: {
		{"{p} shoots. {q} throws himself in the way.", "{p}의 슛. {q:이/가} 몸을 던져 막습니다."},
		{"A wall of legs. {p} does not get through.", "다리가 벽을 이룹니다. {p:이/가} 뚫지 못합니다."},
	},
	Woodwork: {
		{"Off the post! {p} has his hands on his head.", "골대! {p:이/가} 머리를 감싸 쥡니다."},
		{"{p} hits the bar. It is still shaking.", "{p}의 슛이 크로스바를 맞힙니다. 골대가 아직도 흔들립니다."},
	},
	Corner: {
		{"Corner for {t}. {p} goes over to take it.", "{t}의 코너킥. {p:이/가} 차러 갑니다."},
		{"The ball goes behind. Corner, {t}.", "공이 골라인을 넘었습니다. {t}의 코너킥입니다."},
	},
	Offside: {
		{"Flag up: {p} was half a step too early.", "깃발이 올라갑니다. {p:이/가} 반 발짝 빨랐습니다."},
		{"Offside against {t}. {p} does not agree.", "{t}의 오프사이드. {p:은/는} 인정하지 못하는 표정입니다."},
	},
	Foul: {
		{"{p} brings {q} down in midfield. Free kick, {o}.", "중원에서 {p:이/가} {q:을/를} 넘어뜨립니다. {o}의 프리킥."},
		{"{p} comes too late. The referee has a word with him.", "{p}의 늦은 태클. 주심이 한마디 합니다."},
		{"{q} is held back by {p}. Free kick.", "{p:이/가} {q:을/를} 잡아당겼습니다. 프리킥입니다."},
	},
	Yellow: {
		{"Yellow card for {p}.", "{p}, 경고를 받습니다."},
		{"The referee reaches for his pocket: {p} is booked.", "주심이 주머니에 손을 넣습니다. {p}에게 경고."},
	},
	Red: {
		{"Red! {p} has to go. {t} are a man short.", "퇴장! {p:이/가} 나갑니다. {t:은/는} 한 명이 부족합니다."},
	},
	Penalty: {
		{"Penalty for {t}! {q} caught {p} just inside the box.", "{t}의 페널티킥! {q:이/가} 구역 안에서 {p:을/를} 걸었습니다."},
	},
	Goal: {
		{"GOAL! {p} slots it into the corner. {t} score.", "골! {p:이/가} 구석으로 밀어 넣습니다. {t}의 득점."},
		{"GOAL for {t}! {p}, off the inside of the post.", "{t}의 골! {p}의 슛이 골대 안쪽을 맞고 들어갑니다."},
		{"It is in! {p} was first to the loose ball.", "들어갔습니다! 흘러나온 공에 {p:이/가} 가장 빨랐습니다."},
		{"GOAL! {q} with the pass, {p} with the finish.", "골! {q}의 패스, {p}의 마무리."},
	},
	Substitution: {
		{"Change for {t}: {p} comes on, {q} makes way.", "{t}의 교체. {q:이/가} 나오고 {p:이/가} 들어갑니다."},
	},
	Added: {
		{"The board goes up: {n} more.", "추가 시간이 나왔습니다. {n}분입니다."},
	},
	Half: {
		{"The whistle. Half time.", "휘슬이 울립니다. 전반 종료."},
	},
	Second: {
		{"We go on. {t} kick off the second half.", "후반전 시작합니다. {t}의 선축입니다."},
	},
	Full: {
		{"And that is it. The match is over.", "경기 종료 휘슬! 경기가 끝났습니다."},
	},
}

// What is said of penalties, and instead of what was said before.
var (
	scoredFromSpot = []Text{
		{"GOAL! {p} sends the keeper the wrong way from the spot.", "골! {p:이/가} 페널티킥으로 골키퍼를 속입니다."},
	}
	savedFromSpot = []Text{
		{"Saved! {q} guessed right, and {p}'s penalty stays out.", "막았습니다! {q:이/가} 방향을 읽고 {p}의 페널티킥을 쳐냅니다."},
	}
	disallowed = []Text{
		{"No goal. The video referee has seen {p} in an offside position.", "득점 취소. 비디오 판독 결과 {p:이/가} 오프사이드 위치에 있었습니다."},
		{"No goal. After the review: a hand of {p} on the ball.", "득점 취소. 판독 결과 공이 {p}의 손에 맞았습니다."},
	}
	otherScorer = []Text{
		{"GOAL for {t}. It was {p} who touched it last, and not {q}.", "{t}의 골. 마지막에 건드린 선수는 {q:이/가} 아니라 {p}입니다."},
		{"GOAL for {t}, and it is given to {p}: the ball went in off his knee.", "{t}의 골. 득점자는 {p:으로/로} 정정됐습니다. 무릎에 맞고 들어갔습니다."},
	}
	otherBooked = []Text{
		{"Yellow card, but for {p}, not for {q}.", "경고. 그런데 {q:이/가} 아니라 {p}입니다."},
	}
	worseThanBooked = []Text{
		{"After a look at the screen it is red for {p}. {t} are a man short.", "화면을 확인한 주심, {p}의 경고를 퇴장으로 바꿉니다. {t:은/는} 한 명이 부족합니다."},
	}
	cornerAfterAll = []Text{
		{"{p} shoots, and it is a corner: the keeper had touched the ball.", "{p}의 슛, 코너킥입니다. 골키퍼의 손에 맞고 나갔습니다."},
	}
)
