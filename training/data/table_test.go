package data

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/langevin-ml/langevin/models"
)

// mixed is a table with a column of each kind, of 40 rows.
func mixed() string {
	var b strings.Builder
	b.WriteString("id,size,count,species,empty,same,income,level\n")
	for i := range 40 {
		species := []string{"cat", "dog", "eel"}[i%3]
		fmt.Fprintf(&b, "%d,%.1f,%d,%s,,7,%g,%d\n", i+1, 10+3*math.Sin(float64(i)), 20+i*i%37, species,
			math.Exp(float64(i)/4)+0.123456, i%4)
	}
	return b.String()
}

func tableOfText(t *testing.T, text string, comma bool) *Table {
	t.Helper()
	table, err := decodeTable(strings.NewReader(text), TextForm{DecimalComma: comma})
	if err != nil {
		t.Fatalf("%.40q: %v", text, err)
	}
	return table
}

// TestTablesOfAllForms reads the same two rows as several programs write them.
func TestTablesOfAllForms(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		comma bool
	}{
		"CSV":                {"x,kind,y\n1.5,cat,\n-2,dog,3\n", false},
		"Excel in Germany":   {"\ufeffx;kind;y\r\n1,5;cat;NA\r\n-2;dog;3\r\n", false},
		"TSV":                {"x\tkind\ty\n1.5\tcat\tnan\n-2\tdog\t3\n", false},
		"quotes":             {"\"x\",\"kind\",\"y\"\n\"1.5\",\"cat\",\"\"\n\"-2\",\"dog\",\"3\"\n", false},
		"pandas":             {",x,kind,y\n0,1.5,cat,\n1,-2.0,dog,3.0\n", false},
		"commas in quotes":   {"\"x\",\"kind\",\"y\"\n\"1,5\",\"cat\",?\n\"-2\",\"dog\",\"3\"\n", true},
		"blanks and a comma": {"x kind y\n1,5 cat NULL\n-2 dog 3\n", true},
		"names over numbers": {"x,kind,5\n1.5,cat,NaN\n-2,dog,3\n", false},
	} {
		table := tableOfText(t, c.text, c.comma)
		x, kind, y := &table.Columns[0], &table.Columns[1], &table.Columns[2]
		if table.Rows != 2 || !slices.Equal(x.Numbers, []float64{1.5, -2}) || kind.Word(0) != "cat" ||
			kind.Word(1) != "dog" || !y.Missing(0) || y.Numbers[1] != 3 {
			t.Errorf("%s: %+v", name, table)
		}
		if x.Name != "x" || kind.Name != "kind" {
			t.Errorf("%s: columns %q and %q", name, x.Name, kind.Name)
		}
	}
	broken := tableOfText(t, "\"x\n(m)\",kind\r\n1.5,\"a \"\"b\"\"\r\n\r\n# c\"\r\n# d \"\r\n-2,dog\n", false)
	if kind := &broken.Columns[1]; broken.Rows != 2 || broken.Columns[0].Name != "x (m)" ||
		kind.Word(0) != "a \"b\"\n\n# c" || broken.Place(1, "kind") != "line 7, column 2 (kind)" {
		t.Errorf("line breaks in quotes: %+v", broken)
	}
	bare := tableOfText(t, "1,cat\n2,dog\n", false)
	if bare.Rows != 2 || bare.Columns[1].Name != "x2" {
		t.Errorf("without names: %+v", bare)
	}
	twice := tableOfText(t, "a,a\n1,2\n", false)
	if twice.Columns[1].Name != "a_2" || len(twice.Notes) != 1 {
		t.Errorf("a name twice: %q, %q", twice.Columns[1].Name, twice.Notes)
	}
}

// TestEmptyRows: rows without values are rows for those who ask for them, and are passed over otherwise. Blank lines
// are never rows, nor is what is above the names.
func TestEmptyRows(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		lines []int32 // of the rows
		empty string  // which of them are
		whole int     // rows for others
	}{
		"CSV":                {"x,k\n,\n1,a\n\n,,,\n2,b\n\"\",\"\"\n", []int32{2, 3, 5, 6, 7}, "y-y-y", 2},
		"TSV":                {"x\tk\n1\ta\n\t\n \n2\tb\n\t\n", []int32{2, 3, 5, 6}, "-y-y", 2},
		"Excel in Germany":   {"sep=;\r\n;\r\nx;k\r\n1;a\r\n;\r\n", []int32{4, 5}, "-y", 1},
		"pandas":             {",x,k\n0,1,a\n,,\n1,,\n", []int32{2, 3, 4}, "-y-", 2},
		"names over numbers": {",\nx,5\n1,3\n,\n", []int32{3, 4}, "-y", 1},
		"without names":      {",\n,\n1,a\n,\n2,b\n", []int32{1, 2, 3, 4, 5}, "yy-y-", 2},
		"one column":         {"x\n1\n\n\"\"\n", []int32{2, 4}, "-y", 1},
	} {
		table, err := decodeTable(strings.NewReader(c.text), TextForm{Whole: true})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		empty := []byte(strings.Repeat("y", table.Rows))
		for i := range empty {
			for j := range table.Columns {
				if !table.Columns[j].Missing(i) {
					empty[i] = '-'
				}
			}
		}
		if !slices.Equal(table.lines, c.lines) || string(empty) != c.empty {
			t.Errorf("%s: lines %v, empty %s: want %v, %s", name, table.lines, empty, c.lines, c.empty)
		}
		if whole := tableOfText(t, c.text, false); whole.Rows != c.whole {
			t.Errorf("%s: %d rows for others, want %d", name, whole.Rows, c.whole)
		}
	}
}

// TestWhole: a file that is to be written again keeps what has no meaning, and every line with as many fields as a row.
func TestWhole(t *testing.T) {
	const text = "# of 2020\n,x,code,big,x\n0,1.50,007,1e400,\"  a \"\n" +
		"#1, 2 ,NA,-inf,b\n# a comment\n2,3,\"#,\",1_000,\n"
	table, err := decodeTable(strings.NewReader(text), TextForm{Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	var got []string
	for j := range table.Columns {
		names = append(names, table.Columns[j].Name)
		for i := range table.Rows {
			got = append(got, table.Columns[j].Original(i))
		}
	}
	want := []string{
		"0", "#1", "2", "1.50", " 2 ", "3", "007", "NA", "#,", "1e400", "-inf", "1_000", "  a ", "b", "",
	}
	if !slices.Equal(got, want) || !slices.Equal(names, []string{"", "x", "code", "big", "x_2"}) ||
		len(table.Notes) != 1 {
		t.Errorf("columns %q: %q, notes %q", names, got, table.Notes)
	}
	if x, big := table.Columns[1], table.Columns[3]; !slices.Equal(x.Numbers, []float64{1.5, 2, 3}) || x.Unfit != nil ||
		big.Unfit == nil || !strings.Contains(big.Unfit.Error(), "line 3, column 4 (big) is 1e400") {
		t.Errorf("numbers %v, %v; %v", x.Numbers, x.Unfit, big.Unfit)
	}
	const commented = "x,y\n1,2\n#3,4\n# three words here\n#5,6\n7,8\n"
	const note = "2 lines begin with # and have as many fields as a row, the first is line 3: passed over as comments"
	a, err := decodeText(strings.NewReader(commented))
	if other := tableOfText(t, commented, false); err != nil || a.Note != note || a.Shape[0] != 2 || other.Rows != 2 ||
		!slices.Equal(other.Notes, []string{note}) {
		t.Errorf("%v, notes of an array %q, of a table %q", err, a.Note, other.Notes)
	}
}

func TestDescribe(t *testing.T) {
	table := tableOfText(t, mixed(), false)
	d, err := table.Describe()
	if err != nil {
		t.Fatal(err)
	}
	want := []Column{
		{Name: "size", Kind: models.ColumnNumber, Transform: ColumnStandard, Decimals: 1},
		{Name: "count", Kind: models.ColumnInteger, Transform: ColumnStandard},
		{Name: "species", Kind: models.ColumnCategory},
		{Name: "same", Kind: models.ColumnConstant},
		{Name: "income", Kind: models.ColumnNumber, Transform: ColumnQuantile},
		{Name: "level", Kind: models.ColumnCategory},
	}
	if !slices.Equal(d.Columns, want) {
		t.Errorf("columns %+v\nwant %+v", d.Columns, want)
	}
	notes := strings.Join(d.Notes, "\n")
	for _, part := range []string{
		"column 1 (id) counts the rows: left out", "column 5 (empty) is empty in 40 of 40 rows: left out",
		"column 6 (same) is 7 in all rows",
	} {
		if !strings.Contains(notes, part) {
			t.Errorf("notes lack %q:\n%s", part, notes)
		}
	}
	dropped, err := table.Describe("size", "level")
	if err != nil || len(dropped.Columns) != 4 {
		t.Errorf("without two columns: %+v, %v", dropped.Columns, err)
	}
	var texts strings.Builder
	texts.WriteString("date,long,x\n")
	for i := range 400 {
		fmt.Fprintf(&texts, "t%d,%s,%d.5\n", i%80, strings.Repeat("n", 60+i%7), i)
	}
	d, err = tableOfText(t, texts.String(), false).Describe()
	if err != nil || len(d.Columns) != 1 ||
		!slices.Contains(d.Notes, "column 1 (date) has 80 different texts, and a category at most 64: left out") ||
		!strings.Contains(d.Notes[1], "line 7, column 2 (long) is \"nnn") {
		t.Errorf("texts that are no categories: %+v, notes %q, %v", d.Columns, d.Notes, err)
	}
	twins := tableOfText(t, "a,b,c\n1.5,1.5,x\n2.5,2.5,y\n1.5,1.5,x\n", false)
	d, err = twins.Describe()
	if err != nil || !slices.Contains(d.Notes, `columns "a" and "b" are equal in all rows`) ||
		!slices.Contains(d.Notes, "1 of 3 rows is equal to an earlier one") {
		t.Errorf("notes of twins %q, %v", d.Notes, err)
	}
}

// TestDecimals: the texts of a column decide its decimals, whatever the size of its numbers.
func TestDecimals(t *testing.T) {
	for format, want := range map[string]int{
		"%.2f": 2, "%.4f": 4, "%.5f": 0, "%.1f0": 1, "%.2e": 0, "%.2f000": 2,
	} {
		for _, size := range []float64{3, 100, 400_000} {
			var b strings.Builder
			b.WriteString("a,b\n")
			for i := range 60 {
				fmt.Fprintf(&b, format+",x\n", size*math.Sin(float64(i+1)))
			}
			d, err := tableOfText(t, b.String(), false).Describe()
			if err != nil || d.Columns[0].Decimals != want {
				t.Errorf("%s of up to %g: %+v, %v, want %d decimals", format, size, d.Columns, err, want)
			}
		}
	}
	large := tableOfText(t, "a\n1234567.89\n1e-7\n41318.93\n", false)
	for row, want := range []string{"1234567.89", "1e-07", "41318.93"} {
		if got := large.Columns[0].Text(row); got != want {
			t.Errorf("row %d is %s, want %s", row, got, want)
		}
	}
}

// TestCoarse: numbers that float32 does not tell apart are conspicuous, whether they are whole or have decimals.
func TestCoarse(t *testing.T) {
	const seconds = "column 1 (a) has numbers of up to 1700000400 in size, and there the model has steps of 128: "
	array, err := tableOf(Array{Shape: []int{3, 1}, Kind: "<i8", Values: []float32{1.7e9, 1, 7}})
	if err != nil {
		t.Fatal(err)
	}
	array.Columns[0].Name = "a"
	floats, err := tableOf(Array{Shape: []int{3, 1}, Kind: "<f4", Values: []float32{1.7e9, 1, 7}})
	if err != nil {
		t.Fatal(err)
	}
	for want, table := range map[string]*Table{
		seconds: tableOfText(t, "a\n1700000400\n1700000001\n1700000003\n", false),
		"up to 1000000000000 in size, and there the model has steps of 65536:": tableOfText(t, "a\n1e12\n1.5e3\n",
			false),
		"up to 2000000.5 in size, and there the model has steps of 0.125:": tableOfText(t, "a\n2000000.31\n2000000.5\n",
			false),
		"up to 1700000000 in size, and there the model has steps of 128:": array,
	} {
		d, err := table.Describe()
		if notes := strings.Join(d.Notes, "\n"); err != nil || !strings.Contains(notes, want) {
			t.Errorf("notes %q, %v, want %q", notes, err, want)
		}
	}
	fine := tableOfText(t, "a,b,c\n16777216,1e12,1.7\n4,2e15,99999.25\n17000000,0.1234567,1234567\n", false)
	for _, table := range []*Table{floats, fine} {
		if d, err := table.Describe(); err != nil || len(d.Notes) > 0 {
			t.Errorf("notes %q, %v", d.Notes, err)
		}
	}
}

func TestBadTables(t *testing.T) {
	numbers := "a,b\n" + strings.Repeat("1.5,2\n3,4\n", 10)
	pointed := strings.NewReplacer(`",`, ";", `"`, "", "a,b", "a;b").Replace(columnOf("1.5", "1.234,5"))
	var wide strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&wide, "%d,", i)
	}
	for want, text := range map[string]string{
		"it is empty":    "",
		"it has no rows": "a,b\n",
		"line 22, column 2 (b) is \"abc\": want a number, as in 20 other rows": numbers + "3,abc\n",
		"line 3 has 1 number: want 2, as line 1":                               "a,b\n1,2\n3\n",
		"line 3, column 2 (b) is -Inf: want finite numbers":                    "a,b\n1,2\n3,-inf\n",
		"line 2, column 1 (a) is 1e39, which does not fit float32":             "a,b\n1e39,2\n",
		"it has 2001 columns: want at most 1024":                               wide.String() + "1\n",
		"it has 1 row: want at least 10":                                       "a,b\n1.5,2\n",
		"it has 2 rows without empty places: want at least 10":                 "a,b\n1.5,2\n2.5,1\n,3\n",
		"line 2, column 1 (a) is \"1.234,5\": want numbers without":            columnOf("1.234,5", "1234.5"),
		"line 3, column 1 (a) is \"1,234\": want numbers without":              columnOf("17", "1,234"),
		"separators of thousands, or --decimal-comma if a comma":               columnOf("1,5", "2,75"),
		"or a decimal comma and no decimal point in all":                       pointed,
		"all columns are left out":                                             "id\n" + lines(20),
		"the name of column 1 has 70 bytes: want at most 64":                   strings.Repeat("n", 70) + ",b\n1,2\n",
	} {
		path := filepath.Join(t.TempDir(), "x.csv")
		writeFile(t, path, []byte(text))
		err := openTableFile(path)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.30q: error %v, want one line with %q", text, err, want)
		}
	}
}

// columnOf returns a table of 20 rows whose first column has texts in turn.
func columnOf(texts ...string) string {
	var b strings.Builder
	b.WriteString("a,b\n")
	for i := range 20 {
		fmt.Fprintf(&b, "\"%s\",%d\n", texts[i%len(texts)], i*i)
	}
	return b.String()
}

// TestSeparators reads numbers with separators of thousands that can be nothing else, and keeps texts as they are.
func TestSeparators(t *testing.T) {
	for name, c := range map[string]struct {
		texts []string
		comma bool
		want  []float64 // of the first rows; nil for texts
	}{
		"commas":        {[]string{"1,234.50", "-12,345", "999"}, false, []float64{1234.5, -12345, 999}},
		"millions":      {[]string{"1,234,567", "12,345"}, false, []float64{1234567, 12345}},
		"points":        {[]string{"1.234,5", "12,25", "-7"}, true, []float64{1234.5, 12.25, -7}},
		"many points":   {[]string{"1.234.567", "8"}, true, []float64{1234567, 8}},
		"in a text":     {[]string{"1,234.5", "see above", "none"}, false, nil},
		"addresses":     {[]string{"192.168.100.200", "10.0.0.1"}, true, nil},
		"contradictory": {[]string{"1,234,567", "1.234,5"}, false, nil},
	} {
		column := &tableOfText(t, columnOf(c.texts...), c.comma).Columns[0]
		for i, want := range c.want {
			if column.Numbers[i] != want || column.Word(i) != "" {
				t.Errorf("%s: row %d is %g %q, want %g", name, i, column.Numbers[i], column.Word(i), want)
			}
		}
		if c.want == nil && column.Text(0) != c.texts[0] {
			t.Errorf("%s: row 0 is %q, want %q", name, column.Text(0), c.texts[0])
		}
	}
}

// lines returns the numbers from 1 to n, one a line.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, i+1)
	}
	return b.String()
}

// openTableFile reads, describes and opens a file, as a training on one's own data does.
func openTableFile(path string) error {
	table, err := ReadTable(path, TextForm{})
	if err != nil {
		return err
	}
	d, err := table.Describe()
	if err != nil {
		return err
	}
	_, err = Config{Name: Tables, Dir: path, Columns: d.Columns}.Open(Train, 1)
	return err
}

// TestTableSource: the training part has nine tenths of the rows, which the network sees standardized, and both parts
// have the same transform.
func TestTableSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.csv")
	writeFile(t, path, []byte(mixed()))
	table, err := ReadTable(path, TextForm{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := table.Describe()
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Name: Tables, Dir: path, Columns: d.Columns}
	train, err := Reader{}.Table(context.Background(), c, Train, 1)
	if err != nil {
		t.Fatal(err)
	}
	test, err := Reader{}.Table(context.Background(), c, Test, 1)
	if err != nil {
		t.Fatal(err)
	}
	columns, size := train.Columns(), len(d.Columns)
	if len(train.Rows()) != 36*size || len(test.Rows()) != 4*size {
		t.Errorf("%d and %d numbers, want 36 and 4 rows of %d", len(train.Rows()), len(test.Rows()), size)
	}
	if fmt.Sprint(columns) != fmt.Sprint(test.Columns()) {
		t.Error("the parts have different transforms")
	}
	if row := test.Rows()[:size]; row[1] != 20+81%37 || row[2] != 0 || row[3] != 7 || row[5] != 1 {
		t.Errorf("row 10 is %v", row)
	}
	const samples = 36 * 200
	width := columns.Width()
	x := make([]float32, samples*width)
	if err := train.Read(x, 0); err != nil {
		t.Fatal(err)
	}
	for j, kind := range []string{"size", "count", "", "", "", "income"} {
		if kind == "" {
			continue
		}
		var numbers []float64
		for i := range samples {
			numbers = append(numbers, float64(x[i*width+j]))
		}
		// An integer is spread over its step, which adds 1/12 of it to the variance.
		if mean, std := moments(numbers); math.Abs(mean) > 0.02 || math.Abs(std-1) > 0.05 {
			t.Errorf("%s is seen with mean %g and std %g, want 0 and 1", kind, mean, std)
		}
	}
	again := make([]float32, width)
	if err := train.Read(again, 5); err != nil || !slices.Equal(again, x[5*width:6*width]) {
		t.Errorf("sample 5 is %v on its own, and %v among others, %v", again, x[5*width:6*width], err)
	}
}

// TestKnotsAreNormal: numbers that are far from normal, with one that a third of the rows have, become normal, and come
// back.
func TestKnotsAreNormal(t *testing.T) {
	var numbers []float64
	for i := range 2000 {
		numbers = append(numbers, float64(float32(max(0, math.Exp(float64(i)/300)-9))))
	}
	slices.Sort(numbers)
	c := models.Column{
		Name: "a", Kind: models.ColumnNumber, Std: 1, Low: 0, High: numbers[1999], Knots: knots(numbers),
	}
	columns := models.Columns{c}
	if err := columns.Validate(); err != nil || len(c.Knots) > 400 {
		t.Fatalf("%d knots, %v", len(c.Knots), err)
	}
	var seen []float64
	for i, v := range numbers {
		z, back := []float32{0}, []float32{0}
		columns.Encode(z, []float32{float32(v)}, []float32{float32(i%97) / 97})
		if columns.Decode(back, z); math.Abs(float64(back[0])-v) > 1e-3*(1+v) {
			t.Errorf("%g comes back as %g", v, back[0])
		}
		seen = append(seen, float64(z[0]))
	}
	slices.Sort(seen)
	for _, q := range []float64{0.05, 0.25, 0.5, 0.9} {
		want := math.Sqrt2 * math.Erfinv(2*q-1)
		if got := seen[int(q*2000)]; math.Abs(got-want) > 0.05 {
			t.Errorf("quantile %g is %g, want %g", q, got, want)
		}
	}
}
