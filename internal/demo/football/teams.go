package football

// A player has a name and a place: 0 is the goalkeeper, then defenders,
// midfielders and forwards.
type player struct {
	name Text
	line int
}

const (
	keeper = iota
	defender
	midfielder
	forward
)

type team struct {
	side        string
	name, short Text
	players     []player // the first eleven begin
}

// The two signals of old Korea: the beacon fire on the hill, and the courier
// on the road.
var teams = [2]team{
	{
		side: Home, name: Text{"Haesong Beacons", "해송 봉수"}, short: Text{"Haesong", "해송"},
		players: []player{
			{Text{"Do Hanbyeol", "도한별"}, keeper},
			{Text{"Ma Garam", "마가람"}, defender},
			{Text{"Eun Baram", "은바람"}, defender},
			{Text{"Pyo Gangsan", "표강산"}, defender},
			{Text{"Ki Solbi", "기솔비"}, defender},
			{Text{"Byeon Nuri", "변누리"}, midfielder},
			{Text{"Sang Daon", "상다온"}, midfielder},
			{Text{"Bong Ida", "봉이다"}, midfielder},
			{Text{"Tak Haram", "탁하람"}, forward},
			{Text{"Wi Saebyeok", "위새벽"}, forward},
			{Text{"Chu Maru", "추마루"}, forward},
			{Text{"In Beodeul", "인버들"}, midfielder},
			{Text{"Mo Chorok", "모초록"}, forward},
			{Text{"Gil Dasom", "길다솜"}, defender},
		},
	},
	{
		side: Away, name: Text{"Dalnae Couriers", "달내 파발"}, short: Text{"Dalnae", "달내"},
		players: []player{
			{Text{"Yeo Doldam", "여돌담"}, keeper},
			{Text{"Ok Narae", "옥나래"}, defender},
			{Text{"Jin Miru", "진미루"}, defender},
			{Text{"Cha Yeoul", "차여울"}, defender},
			{Text{"Hyeon Mir", "현미르"}, defender},
			{Text{"Seol Aram", "설아람"}, midfielder},
			{Text{"Geum Hanul", "금한울"}, midfielder},
			{Text{"Ra Onyu", "라온유"}, midfielder},
			{Text{"Pi Danbi", "피단비"}, forward},
			{Text{"So Neulbom", "소늘봄"}, forward},
			{Text{"Ban Gaon", "반가온"}, forward},
			{Text{"Tae Dasan", "태다산"}, midfielder},
			{Text{"Ju Byeori", "주벼리"}, forward},
			{Text{"Am Haesol", "암해솔"}, defender},
		},
	},
}
